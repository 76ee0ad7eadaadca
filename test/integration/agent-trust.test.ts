import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { signEnvelope } from '../../base/dsse.ts';
import { newId } from '../../base/random.ts';
import { PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import { type AgentHome, createAgentHome } from '../fakes/agent-home.ts';
import { startAgent } from '../fakes/agent-process.ts';
import { type AgentRig, serveHome, startAgentRig } from '../fakes/agent-rig.ts';
import { createCommandSigner } from '../fakes/command-signer.ts';
import type { FakeOrchestrator } from '../fakes/fake-orchestrator.ts';

let home: AgentHome;
let server: FakeOrchestrator;
let rig: AgentRig;

beforeAll(async () => {
  rig = await startAgentRig();
  ({ home, server } = rig);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

const trace = () => `${home.path}/trace-${newId('evt', systemClock)}`;

describe('which commands an agent believes', () => {
  it('[command-1] refuses a signature that is not genuine, and runs nothing', async () => {
    const file = trace();
    const command = home.signer.shell(`touch ${file}`);
    const forged = { ...command, envelope: { ...command.envelope } };
    const payload = JSON.parse(Buffer.from(command.envelope.payload, 'base64').toString());
    payload.arguments.command = `touch ${file}; id`;
    forged.envelope.payload = Buffer.from(JSON.stringify(payload)).toString('base64');
    const result = await server.run(forged);
    expect(result).toMatchObject({
      state: 'refused',
      reason: 'signature',
      error: { code: 'signature_invalid' },
    });
    expect(existsSync(file)).toBe(false);
    // The genuine one was not spent by its forgery.
    server.results.length = 0;
    expect((await server.run(command)).state).toBe('succeeded');
  });

  it('refuses a key that its command root does not vouch for', async () => {
    const stranger = createCommandSigner({
      orgId: home.orgId,
      agentId: home.agentId,
      trustDomain: home.ca.trustDomain,
    });
    const file = trace();
    const result = await server.run(stranger.shell(`touch ${file}`, { seq: 500 }));
    expect(result.error?.code).toBe('signature_invalid');
    expect(existsSync(file)).toBe(false);
  });

  it('refuses a delegation that a signing key made for itself', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const command = home.signer.shell('true');
    const delegation = signEnvelope(PAYLOAD_TYPE.delegation, { kid: 'self' }, { kid: 'self', privateKey });
    expect((await server.run({ ...command, delegation })).error?.code).toBe('signature_invalid');
  });

  it('[command-1] refuses a command for another agent, and one for another organization', async () => {
    const other = home.signer.shell('true', { agent_id: newId('agt', systemClock) as never });
    expect((await server.run(other)).error?.code).toBe('wrong_agent');
    const foreign = home.signer.shell('true', { org_id: newId('org', systemClock) as never });
    expect((await server.run(foreign)).error?.code).toBe('wrong_agent');
  });

  it('[command-1] ends what came too late as expired, without starting it', async () => {
    const file = trace();
    const command = home.signer.shell(`touch ${file}`, {
      expires_at: new Date(Date.now() - 1000).toISOString(),
    });
    const result = await server.run(command);
    expect(result).toMatchObject({ state: 'expired', error: { code: 'command_expired' } });
    expect(existsSync(file)).toBe(false);
  });

  it('refuses what says that it must understand something unknown', async () => {
    const result = await server.run(home.signer.shell('true', { critical: ['approvals'] }));
    expect(result).toMatchObject({ state: 'refused', reason: 'unsupported' });
  });

  it('refuses to run as somebody else, and a tool that it does not have', async () => {
    const as = await server.run(home.signer.shell('true', { run_as: 'nobody-here' }));
    expect(as).toMatchObject({ state: 'refused', reason: 'unsupported', error: { code: 'unsupported' } });
    const tool = await server.run(home.signer.shell('true', { tool: 'format_disk' }));
    expect(tool).toMatchObject({ state: 'refused', error: { code: 'tool_unknown' } });
    const args = await server.run(home.signer.shell('true', { arguments: { cmd: 'true' } }));
    expect(args).toMatchObject({ state: 'refused', error: { code: 'bad_request' } });
  });

  it('answers a command that comes again by what it knows, and runs it once', async () => {
    const file = trace();
    const command = home.signer.shell(`echo once >> ${file}; wc -l < ${file}`);
    await server.run(command);
    server.results.length = 0;
    const again = await server.run(command);
    expect(again.state).toBe('succeeded');
    const count = await server.run(home.signer.shell(`wc -l < ${file}`));
    expect(
      Buffer.from(count.stdout?.head ?? '', 'base64')
        .toString()
        .trim(),
    ).toBe('1');
  });

  it('[command-1] refuses a replayed number under another name', async () => {
    const first = home.signer.shell('true');
    await server.run(first);
    const replay = home.signer.shell('true', { seq: first.payload.seq });
    expect((await server.run(replay)).error?.code).toBe('command_replayed');
    const older = home.signer.shell('true', { seq: 1 });
    expect((await server.run(older)).error?.code).toBe('command_replayed');
  });

  it('does not let a forgery end a command that runs', async () => {
    const gate = trace();
    const command = home.signer.shell(`while [ ! -e ${gate} ]; do sleep 0.02; done; echo done`);
    server.sendCommand(command);
    const id = command.payload.command_id;
    await server.until(() => server.messages.some((m) => m.type === 'state' && m.command_id === id));
    const signature = Buffer.alloc(64).toString('base64');
    server.sendCommand({
      ...command,
      envelope: { ...command.envelope, signatures: [{ kid: 'x', sig: signature }] },
    });
    await server.until(() => server.messages.some((m) => m.type === 'error' && m.ref === id));
    await server.run(home.signer.shell(`touch ${gate}`));
    expect((await server.resultOf(id)).state).toBe('succeeded');
  });

  it('answers an unknown message by an error and stays connected', async () => {
    server.sendRaw({ type: 'self_destruct', now: true });
    await server.until(() => server.messages.some((m) => m.type === 'error' && m.ref === 'self_destruct'));
    expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
    expect(server.connections).toBe(1);
  });

  it('takes a later epoch from its first number', async () => {
    expect((await server.run(home.signer.shell('true', { epoch: 2, seq: 1 }))).state).toBe('succeeded');
    const old = home.signer.shell('true', { epoch: 1, seq: 900 });
    expect((await server.run(old)).error?.code).toBe('command_replayed');
  });
});

describe('which servers an agent believes', () => {
  it('[identity-3] refuses a server that shows an agent’s certificate, and keeps its identity', async () => {
    await using own = await createAgentHome();
    const impostor = await own.ca.agent(newId('agt', systemClock));
    await using fake = await serveHome(own, { certificate: impostor });
    await using process = startAgent({ home: own.path });
    const line = await process.logged((l) => String(l['msg']).startsWith('cannot connect'));
    expect(String(line['msg'])).toMatch(/not made for agents|no orchestrator/);
    expect(fake.connections).toBe(0);
    expect(existsSync(`${own.path}/security/vm_agent.key`)).toBe(true);
  });

  it('refuses a server of another CA', async () => {
    await using own = await createAgentHome();
    await using other = await createAgentHome();
    await using fake = await serveHome(own, { certificate: await other.ca.orchestrator() });
    await using process = startAgent({ home: own.path });
    const line = await process.logged((l) => String(l['msg']).startsWith('cannot connect'));
    expect(String(line['msg'])).toContain('not of the CA');
    expect(fake.connections).toBe(0);
  });

  it('leaves an orchestrator that takes it for another agent', async () => {
    await using own = await createAgentHome();
    await using fake = await serveHome(own, {
      identity: { agentId: newId('agt', systemClock), orgId: own.orgId },
    });
    await using process = startAgent({ home: own.path });
    expect(await fake.until(() => fake.closes[0])).toBe(4010);
    expect(process.log.some((l) => String(l['msg']).includes('another one'))).toBe(true);
  });
});
