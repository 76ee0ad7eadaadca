import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { signEnvelope } from '../../../base/dsse.ts';
import { newId } from '../../../base/random.ts';
import { PAYLOAD_TYPE } from '../../../protocol/dsse.ts';
import type { AgentHome } from '../../fakes/agent-home.ts';
import type { AgentProcess } from '../../fakes/agent-process.ts';
import { type AgentRig, startAgentRig } from '../../fakes/agent-rig.ts';
import { createCommandSigner, type SignedCommand } from '../../fakes/command-signer.ts';
import type { FakeOrchestrator } from '../../fakes/fake-orchestrator.ts';
import { isFull, size } from '../support/size.ts';
import { HOSTILE_VALUES, NO_JSON, planted } from './support/hostile-json.ts';
import { forgetPeak, peakMib, rssMib } from './support/memory.ts';

/**
 * An orchestrator that was taken over, or somebody with its TLS key: it has the right certificate, and does not have
 * the command keys. Everything that it can say, it says here.
 */
let home: AgentHome;
let server: FakeOrchestrator;
let agent: AgentProcess;
let rig: AgentRig;

beforeAll(async () => {
  rig = await startAgentRig();
  ({ home, server, agent } = rig);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

const trace = () => `${home.path}/trace-${newId('evt', systemClock)}`;

/** The agent is connected, or comes back by itself, and does what is genuinely asked of it. */
async function expectHealthy(): Promise<void> {
  for (let tries = 0; tries < 5; tries++) {
    const hellos = server.hellos.length;
    const command = home.signer.shell('echo alive');
    server.sendCommand(command);
    const done = () => server.results.find(({ id }) => id === command.payload.command_id)?.result;
    await server.until(() => done() !== undefined || server.hellos.length > hellos);
    // It came back meanwhile: what was sent to the connection before is gone with it.
    if (done() === undefined) continue;
    expect(done()?.state).toBe('succeeded');
    return;
  }
  throw new Error('the agent does not stay connected');
}

async function attack(what: string, work: () => Promise<void>): Promise<number> {
  await expectHealthy();
  forgetPeak(agent.pid);
  const before = rssMib(agent.pid);
  await work();
  await expectHealthy();
  const growth = peakMib(agent.pid) - before;
  process.stdout.write(`${what}: agent ${before} MiB +${growth}\n`);
  return growth;
}

/** Sends a frame; the agent stays, or it leaves and comes back. Either way what was asked after it is done. */
async function say(frame: string | Uint8Array): Promise<void> {
  const [hellos, answers] = [server.hellos.length, server.messages.length];
  server.sendRaw(frame);
  // Acknowledged frames and errors both answer this one, unless the connection ended before.
  server.sendRaw('{"type":"is this still on"}');
  await server.until(
    () =>
      server.hellos.length > hellos ||
      server.messages.slice(answers).some((m) => m.type === 'error' && m.ref === 'is this still on'),
  );
}

describe('[attack-5] an orchestrator with the right certificate and without the command keys', () => {
  const altered = (
    command: SignedCommand,
    change: (payload: Record<string, unknown>) => void,
  ): SignedCommand => {
    const payload = JSON.parse(Buffer.from(command.envelope.payload, 'base64').toString()) as Record<
      string,
      unknown
    >;
    change(payload);
    return {
      ...command,
      envelope: { ...command.envelope, payload: Buffer.from(JSON.stringify(payload)).toString('base64') },
    };
  };

  it('gets no command executed that was not signed for just this agent, once', async () => {
    const stranger = createCommandSigner({
      orgId: home.orgId,
      agentId: home.agentId,
      trustDomain: home.ca.trustDomain,
    });
    const elsewhere = createCommandSigner({
      orgId: newId('org', systemClock),
      agentId: newId('agt', systemClock),
      trustDomain: home.ca.trustDomain,
    });
    const files: string[] = [];
    const touch = () => {
      const file = trace();
      files.push(file);
      return `touch ${file}`;
    };
    const genuine = () => home.signer.shell(touch());
    const forgeries: Record<string, () => SignedCommand> = {
      'signed by a key of its own': () => stranger.shell(touch()),
      'signed by its own key under a genuine delegation': () => ({
        ...stranger.shell(touch()),
        delegation: genuine().delegation,
      }),
      'with a genuine signature under another delegation': () => ({
        ...genuine(),
        delegation: stranger.shell('true').delegation,
      }),
      'of another agent': () => elsewhere.shell(touch()),
      altered: () => altered(genuine(), (p) => Object.assign(p, { arguments: { command: touch() } })),
      'altered in its user': () => altered(genuine(), (p) => Object.assign(p, { run_as: 'root' })),
      'altered in its number': () => altered(genuine(), (p) => Object.assign(p, { seq: 10_000 })),
      'of another type': () => ({
        ...genuine(),
        envelope: { ...genuine().envelope, payload_type: PAYLOAD_TYPE.input },
      }),
      'a delegation as a command': () => ({ ...genuine(), envelope: genuine().delegation }),
    };
    await attack('forged commands', async () => {
      for (const [what, make] of Object.entries(forgeries)) {
        const before = server.messages.length;
        const hellos = server.hellos.length;
        server.sendCommand(make());
        await server.until(
          () =>
            server.hellos.length > hellos ||
            server.messages.slice(before).some((m) => m.type === 'error' || m.type === 'result'),
        );
        const results = server.messages.slice(before).filter((m) => m.type === 'result');
        expect([what, results.every(({ result }) => result.state === 'refused')]).toEqual([what, true]);
      }
      // The marks of all that was started are looked for after a genuine command, which would run after them.
      await expectHealthy();
      expect(files.filter((file) => existsSync(file))).toEqual([]);
    });
  });

  it('gets nothing executed twice by recorded traffic, in this session or another one', async () => {
    const file = trace();
    const command = home.signer.shell(`echo x >> ${file}`);
    expect((await server.run(command)).state).toBe('succeeded');
    for (let i = 0; i < 5; i++) server.sendCommand(command);
    server.drop();
    await server.connected(server.hellos.length + 1);
    for (let i = 0; i < 5; i++) server.sendCommand(command);
    await expectHealthy();
    expect(await readFile(file, 'utf8')).toBe('x\n');
  });

  it('is not believed by another agent of the same organization with the same recording', async () => {
    await using second = await startAgentRig({ ca: home.ca });
    const { home: other, server: listener, agent: victim } = second;
    const file = trace();
    listener.sendCommand(home.signer.shell(`touch ${file}`));
    await listener.until(() => listener.messages.some((m) => m.type === 'error' || m.type === 'result'));
    expect(listener.messages.filter((m) => m.type === 'result' && m.result.state !== 'refused')).toEqual([]);
    expect((await listener.run(other.signer.shell('true'))).state).toBe('succeeded');
    expect(existsSync(file)).toBe(false);
    expect(victim.stderr()).toBe('');
  });

  it('can say every message of the protocol, and more, and the agent goes on', {
    timeout: 120_000,
  }, async () => {
    const id = newId('cmd', systemClock);
    const envelope = signEnvelopeOfNobody();
    const welcome = {
      type: 'welcome',
      protocol: 1,
      agent_id: home.agentId,
      organization_id: home.orgId,
      session_id: newId('ses', systemClock),
      resumed: true,
      session_epoch: 9,
      server_time: '2026-01-01T00:00:00.000Z',
      recv_seq: 2 ** 52,
      limits: { frame: 0, command_credit: 2 ** 40, link_credit: 2 ** 40 },
      heartbeat_interval: 1e-9,
    };
    const command = { envelope, delegation: envelope };
    const taken: readonly object[] = [
      { type: 'ack', ack: 2 ** 53 - 1 },
      { type: 'cancel', seq: 1, command_id: id },
      { type: 'input', seq: 1, command_id: id, ...command },
      { type: 'resize', seq: 1, command_id: id, ...command },
      { type: 'signal', seq: 1, command_id: id, ...command },
      { type: 'command', seq: 1, ...command },
      { type: 'output_ack', command_id: id, stream: 'stdout', durable_offset: 2 ** 53 - 1 },
      { type: 'credit', command: 2 ** 53 - 1, link: 2 ** 53 - 1 },
      {
        type: 'error',
        code: 'c'.repeat(1000),
        message: '\x1b[31m\nlevel: fake\u2028'.repeat(10_000),
        ref: 'r'.repeat(100_000),
      },
      { type: 'audit_head', head: {} },
      { type: 'hello' },
      { type: 'result', seq: 1, command_id: id },
      { type: '__proto__' },
      { type: 'constructor' },
      { type: 'toString' },
      { type: 'x'.repeat(500_000) },
    ];
    // After these the agent leaves, and comes back after a while, which grows with each.
    const fatal: readonly object[] = [
      { type: 'command', seq: 2 ** 53 - 1, ...command },
      { type: 'command', seq: 1, envelope: { ...envelope, signatures: [] }, delegation: envelope },
      { ...welcome, agent_id: newId('agt', systemClock) },
      { ...welcome, protocol: 99 },
      { ...welcome },
      { type: 'goaway', reason: 'r'.repeat(10_000), retry_after: 0 },
    ];
    const frames = [...taken, ...fatal.slice(0, size({ short: 1, full: fatal.length }))].map((frame) =>
      JSON.stringify(frame),
    );
    const grown = await attack('every message of a rogue orchestrator', async () => {
      for (const frame of frames) await say(frame);
      if (isFull) await say(new Uint8Array([1, 1, 0]));
    });
    expect(grown).toBeLessThan(64);
    // One line of the log for each thing that is said, and none that goes on for ever.
    expect(agent.log.filter((line) => JSON.stringify(line).length > 4096)).toEqual([]);
  });

  it('can send JSON of any kind', async () => {
    const grown = await attack('hostile JSON of a rogue orchestrator', async () => {
      const template = { type: 'error', code: 'x', message: 'y', ref: 'z', more: '@' };
      const credit = { type: 'credit', command: '@' };
      // Some end the connection, and the agent is in no hurry to come back: the short run says each once.
      for (const [at, [, value]] of HOSTILE_VALUES.entries()) {
        if (isFull || at % 2 === 0) await say(planted(template, value));
        if (isFull || at % 2 === 1) await say(planted(credit, value));
      }
      // What is no JSON ends the connection.
      for (const [, text] of NO_JSON.slice(0, size({ short: 1, full: NO_JSON.length }))) await say(text);
    });
    expect(grown).toBeLessThan(128);
    expect(agent.log.filter(({ level }) => level === 'fatal')).toEqual([]);
  });

  function signEnvelopeOfNobody() {
    const { privateKey } = generateKeyPairSync('ed25519');
    return signEnvelope(
      PAYLOAD_TYPE.command,
      { command_id: newId('cmd', systemClock) },
      { kid: '0'.repeat(16), privateKey },
    );
  }
});
