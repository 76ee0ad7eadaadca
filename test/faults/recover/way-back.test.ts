import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../../agent/identity/csr.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { type EnrolledMachine, enroll } from '../../integration/support/enroll.ts';
import { ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { type Machine, startMachine } from '../../integration/support/machine.ts';
import {
  callOrchestrator,
  type OrchestratorProcess,
  startOrchestrator,
} from '../../integration/support/orchestrator.ts';
import {
  agentOf,
  ask,
  comeBack,
  nonceFor,
  recoverRequest,
  type Sleeper,
  until,
} from '../support/sleepers.ts';

const TTL = '6s';
let orchestrator: OrchestratorProcess;
/** What was enrolled before anything else, and slept past its certificate. */
let asleep: EnrolledMachine[];
/** Real agents that sleep: one waits for an operator, one comes back by the rule. */
let sleeping: [Machine, Machine];

const sleeperOf = ({ response, key }: EnrolledMachine): Sleeper => ({
  agentId: response.agent_id,
  certificate: response.certificate,
  key: key.pem,
});
const patch = (id: string, body: object) =>
  orchestrator.call({ method: 'PATCH', path: `${ORG}/agents/${id}`, body });
const rule = (admit_within_s: number | null) =>
  orchestrator.call({ method: 'PUT', path: `${ORG}/recovery`, body: { admit_within_s } });
const endOf = (pem: string) => new X509Certificate(pem).validToDate.getTime();
const ended = (pem: string) => until(async () => Date.now() > endOf(pem), 'the end of a certificate');
const refusals = async (agentId: string) => {
  const { body } = await orchestrator.call<{ items: { action: string; detail: { code: string } }[] }>({
    path: `${ORG}/audit?action=agent.recover_refused&target=${agentId}&limit=50`,
  });
  return body.items.map(({ detail }) => detail.code);
};

const crtOf = (vm: Machine) => readFile(`${diskLayout(vm.join('agent')).security}/vm_agent.crt`, 'utf8');

beforeAll(async () => {
  orchestrator = await startOrchestrator({ args: ['--agent-certificate-ttl', TTL] });
  const start = async () => {
    const vm = await startMachine(orchestrator);
    vm.agent.signal('SIGKILL');
    await vm.agent.exited;
    return vm;
  };
  sleeping = [await start(), await start()];
  asleep = await Promise.all(Array.from({ length: 6 }, () => enroll(orchestrator)));
  const certificates = [
    ...asleep.map(({ response }) => response.certificate),
    ...(await Promise.all(sleeping.map(crtOf))),
  ];
  await Promise.all(certificates.map(ended));
});
afterAll(async () => {
  for (const vm of sleeping ?? []) await vm[Symbol.asyncDispose]();
  await orchestrator?.stop();
});

const machine = (index: number): EnrolledMachine => {
  const found = asleep[index];
  if (found === undefined) throw new Error('no such machine');
  return found;
};

describe('the way back', () => {
  it('says that the certificate has ended, on the agents’ own paths', async () => {
    const { response, tls } = machine(0);
    const path = `/api/v1/agents/${response.vm_id}/status`;
    const answer = await callOrchestrator(orchestrator, { path, ...tls });
    expect(answer).toMatchObject({ status: 403, body: { code: 'certificate_expired' } });
  });

  it('[return-2] holds a machine until an operator admits it, then gives it a certificate, once for each admission', async () => {
    const sleeper = sleeperOf(machine(0));
    const first = await comeBack(orchestrator, sleeper);
    expect(first).toMatchObject({
      status: 202,
      body: {
        state: 'quarantined',
        reason: 'certificate_expired',
        detail: expect.stringContaining('vm-orchestrator agents admit vm-'),
        retry_after: 10,
      },
    });
    expect(await agentOf(orchestrator, sleeper.agentId)).toMatchObject({
      state: 'quarantined',
      quarantine: { reason: 'certificate_expired', detail: expect.stringContaining('proof of its key') },
    });
    expect(await comeBack(orchestrator, sleeper)).toMatchObject({ status: 202 });
    await patch(sleeper.agentId, { state: 'active' });
    const nonce = await nonceFor(orchestrator, sleeper.agentId);
    const csrKey = createKey();
    const request = await recoverRequest(sleeper, { nonce, csrKey });
    const back = await ask(orchestrator, sleeper.agentId, request);
    expect(back).toMatchObject({ status: 200, body: { state: 'active' } });
    if (back.body.state !== 'active') throw new Error('not back');
    const { certificate } = back.body;
    // The same answer for the same key: one that was lost costs no second admission.
    const again = await recoverRequest(sleeper, {
      nonce: await nonceFor(orchestrator, sleeper.agentId),
      csrKey,
    });
    expect((await ask(orchestrator, sleeper.agentId, again)).body).toMatchObject({ certificate });
    // Another key is another wish.
    expect(await comeBack(orchestrator, sleeper)).toMatchObject({ status: 202 });
    await patch(sleeper.agentId, { state: 'active' });
    const path = `/api/v1/agents/${machine(0).response.vm_id}/status`;
    expect((await callOrchestrator(orchestrator, { path, cert: certificate, key: csrKey })).status).toBe(200);
    // From the first use of the new one on, the old one does not lead back any more.
    expect(await comeBack(orchestrator, sleeper)).toMatchObject({
      status: 403,
      body: { code: 'certificate_revoked' },
    });
  });

  it('lets a machine in at once where the rule says so, and only within its time', async () => {
    const sleeper = sleeperOf(machine(1));
    await rule(60);
    expect(await comeBack(orchestrator, sleeper)).toMatchObject({ status: 200, body: { state: 'active' } });
    await rule(null);
    expect(await comeBack(orchestrator, sleeperOf(machine(2)))).toMatchObject({ status: 202 });
    // Who is in quarantine stays there, whatever the rule.
    await rule(3600);
    expect(await comeBack(orchestrator, sleeperOf(machine(2)))).toMatchObject({ status: 202 });
    await rule(null);
  });

  it('[return-3] takes a nonce once, for one agent, and no signature but that of the certificate’s key', async () => {
    const sleeper = sleeperOf(machine(3));
    const other = sleeperOf(machine(4));
    const { agentId } = sleeper;
    const nonce = await nonceFor(orchestrator, agentId);
    const good = await recoverRequest(sleeper, { nonce });
    const attempts = {
      'another key': await recoverRequest(sleeper, { nonce, signedBy: createKey() }),
      'another agent’s certificate': { ...good, certificate: other.certificate },
      'signed for another agent': await recoverRequest(sleeper, { nonce, signedFor: other.agentId }),
      'another request than the one signed': { ...good, csr: (await recoverRequest(other, { nonce })).csr },
      'no certificate': { ...good, certificate: 'none' },
      'a nonce of another agent': await recoverRequest(sleeper, {
        nonce: await nonceFor(orchestrator, other.agentId),
      }),
      'a nonce that was made up': await recoverRequest(sleeper, { nonce: 'A'.repeat(nonce.length) }),
      'a cut nonce': await recoverRequest(sleeper, { nonce: nonce.slice(0, -4) }),
    };
    for (const [what, body] of Object.entries(attempts)) {
      const answer = await ask(orchestrator, agentId, body);
      expect([what, answer.status, answer.body.code]).toEqual([what, 403, 'recovery_refused']);
    }
    expect((await ask(orchestrator, agentId, good)).status).toBe(202);
    expect(await ask(orchestrator, agentId, good)).toMatchObject({
      status: 403,
      body: { code: 'recovery_refused', detail: expect.stringContaining('used before') },
    });
    expect(await agentOf(orchestrator, other.agentId)).toMatchObject({ state: 'active' });
    // The tenth failure of this agent from this address is the last for a while.
    const late = await ask(orchestrator, agentId, { ...good, certificate: 'none' });
    expect([late.status, (await ask(orchestrator, agentId, good)).body.code]).toEqual([403, 'rate_limited']);
    expect((await comeBack(orchestrator, other)).status).toBe(202);
  });

  it('[return-3] tells a stranger nothing: an agent that does not exist answers as one that does', async () => {
    const real = machine(5).response.agent_id;
    const made = `${real.slice(0, -6)}000000`;
    const stranger: Sleeper = {
      agentId: made,
      certificate: machine(5).response.certificate,
      key: createKey(),
    };
    const answers = [];
    for (const agentId of [real, made]) {
      const nonce = await nonceFor(orchestrator, agentId);
      const { status, body } = await ask(
        orchestrator,
        agentId,
        await recoverRequest({ ...stranger, agentId }, { nonce }),
      );
      answers.push([status, body.code, body.detail]);
    }
    expect(answers[0]).toEqual(answers[1]);
  });

  it('[return-3] never lets a revoked agent back, and writes every refusal down', async () => {
    const sleeper = sleeperOf(machine(5));
    await rule(3600);
    await orchestrator.call({ method: 'DELETE', path: `${ORG}/agents/${sleeper.agentId}` });
    expect(await comeBack(orchestrator, sleeper)).toMatchObject({
      status: 403,
      body: { code: 'certificate_revoked' },
    });
    expect(await refusals(sleeper.agentId)).toContain('certificate_revoked');
    await rule(null);
  });

  it('has no use for a certificate that counts', async () => {
    const fresh = await enroll(orchestrator);
    expect(await comeBack(orchestrator, sleeperOf(fresh))).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
  });
});

describe('a real agent that slept past its certificate', () => {
  const healthOf = async (agent: AgentProcess) => {
    const answer = await fetch(`http://127.0.0.1:${await agent.port()}/health`);
    return (await answer.json()) as { status: string; waiting_for?: string };
  };

  it('[return-2] waits for an operator and says so, then comes back and runs what was queued meanwhile, once', async () => {
    const [vm, other] = sleeping;
    const command = `echo ran >> ${vm.join('ran')}`;
    const job = await submitJob(orchestrator, { selector: `id=${vm.vmId}`, arguments: { command } });
    await using agent = startAgent({ home: vm.join('agent') });
    const held = await until(async () => {
      const seen = await agentOf(orchestrator, vm.agentId);
      return seen.state === 'quarantined' && seen;
    }, 'the quarantine');
    expect(held.quarantine?.reason).toBe('certificate_expired');
    const health = await until(async () => {
      const seen = await healthOf(agent);
      return seen.waiting_for?.startsWith('waiting for') === true && seen;
    }, 'what the agent says');
    expect(health).toMatchObject({
      status: 'degraded',
      waiting_for: `waiting for an operator to admit this machine; run: vm-orchestrator agents admit ${vm.vmId}`,
    });
    expect((await readJob(orchestrator, job.id)).commands[0]?.state).toBe('queued');
    await patch(vm.vmId, { state: 'active' });
    // Meanwhile the other one comes back by the rule.
    await rule(3600);
    await using second = startAgent({ home: other.join('agent') });
    await until(async () => (await agentOf(orchestrator, other.agentId)).online, 'the other one');
    const done = await until(async () => {
      const { commands } = await readJob(orchestrator, job.id);
      return commands[0]?.state === 'succeeded' && commands[0];
    }, 'the queued command');
    expect(done.state).toBe('succeeded');
    expect(await readFile(vm.join('ran'), 'utf8')).toBe('ran\n');
    expect((await healthOf(agent)).waiting_for).toBeUndefined();
    expect(second.pid).toBeGreaterThan(0);
    await rule(null);
  });
});
