// What is revoked is cut and stays out: one certificate, one agent, a whole organization; with the hint of the bus and
// without it. The orchestrator and its TLS are real; agents are light, with their own certificates.

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLOSE } from '../../../protocol/version.ts';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { createToken, register, registration } from '../../integration/support/enroll.ts';
import { type EnrolledAgent, enrollAgent, ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { makeCsr } from '../../integration/support/machine-key.ts';
import {
  type OrchestratorProcess,
  operatorEnv,
  runOrchestratorCli,
  startOrchestrator,
} from '../../integration/support/orchestrator.ts';
import { size } from '../support/size.ts';
import { exchange, problemOf, REQUESTS } from '../support/tls-client.ts';

const FLEET = size({ short: 20, full: 200 });

let orchestrator: OrchestratorProcess;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(async () => {
  await orchestrator?.stop();
});

interface Live {
  enrolled: EnrolledAgent;
  fake: FakeAgent;
  /** When its socket closed, and why. */
  closed: Promise<{ code: number; at: number }>;
}

async function connected(): Promise<Live> {
  const enrolled = await enrollAgent(orchestrator);
  const fake = enrolled.fake(orchestrator);
  await fake.connect();
  const closed = fake.closed().then(({ code }) => ({ code, at: performance.now() }));
  return { enrolled, fake, closed };
}

const fingerprintOf = async (vmId: string): Promise<string> => {
  const { body } = await orchestrator.call<{ items: { fingerprint: string }[] }>({
    path: `${ORG}/agents/${vmId}/certificates`,
  });
  return body.items[0]?.fingerprint ?? '';
};

/** Every door that its certificate would open. */
async function doorsOf({ machine, vmId }: EnrolledAgent): Promise<unknown[]> {
  const answers = [];
  for (const request of Object.values(REQUESTS)) {
    const answer = await exchange(orchestrator, machine.tls, request(vmId));
    answers.push([answer.status, problemOf(answer)]);
  }
  return answers;
}
const REFUSED = Object.values(REQUESTS).map(() => [403, 'certificate_revoked']);

const auditOf = async (action: string) => {
  const { body } = await orchestrator.call<{ items: { action: string; target: string; detail: object }[] }>({
    path: `${ORG}/audit?limit=500`,
  });
  return body.items.filter((event) => event.action === action);
};

const seconds = (from: number, to: number): number => Math.round(to - from) / 1000;

describe('a revoked certificate', () => {
  it('[cert-34] is cut within a second and opens nothing; its agent stays, and its key gets no other one', async () => {
    const live = await connected();
    const other = await connected();
    const fingerprint = await fingerprintOf(live.enrolled.vmId);
    const from = performance.now();
    const answer = await orchestrator.call({
      path: `${ORG}/certificates/${fingerprint.toUpperCase()}/revoke`,
      body: { reason: 'its key was in a backup' },
    });
    expect(answer).toMatchObject({ status: 200, body: { vm_id: live.enrolled.vmId, already: false } });
    const closed = await live.closed;
    expect(closed.code).toBe(CLOSE.certificateRevoked);
    expect(seconds(from, closed.at)).toBeLessThan(1);
    expect(await doorsOf(live.enrolled)).toEqual(REFUSED);
    const agent = await orchestrator.call({ path: `${ORG}/agents/${live.enrolled.vmId}` });
    expect(agent.body).toMatchObject({ state: 'active', online: false });
    expect(await auditOf('certificate.revoke')).toEqual([
      expect.objectContaining({ detail: expect.objectContaining({ certificate: fingerprint }) }),
    ]);
    // A new token helps a new key alone.
    const { token } = await createToken(orchestrator);
    const body = registration(token, live.enrolled.machine.key.csr, { vm_id: live.enrolled.vmId });
    expect(await register(orchestrator, body)).toMatchObject({ status: 400, body: { code: 'invalid_csr' } });
    // Others are not touched.
    expect(other.fake.received.at(-1)?.type).toBe('welcome');
    const again = await orchestrator.call({ path: `${ORG}/certificates/${fingerprint}/revoke`, body: {} });
    expect(again).toMatchObject({ status: 200, body: { already: true } });
    const unknown = await orchestrator.call({
      path: `${ORG}/certificates/${'ab'.repeat(32)}/revoke`,
      body: {},
    });
    expect(unknown.status).toBe(404);
    await other.fake.drop();
  });

  it('is revoked on the command line as well, by its serial number', async () => {
    const live = await connected();
    const { body } = await orchestrator.call<{ items: { serial: string }[] }>({
      path: `${ORG}/agents/${live.enrolled.vmId}/certificates`,
    });
    const serial = body.items[0]?.serial ?? '';
    const env = operatorEnv(orchestrator);
    const done = await runOrchestratorCli(['ca', 'revoke-certificate', serial, '--yes'], env);
    expect(done).toMatchObject({
      code: 0,
      stdout: `the certificate ${serial} of ${live.enrolled.vmId} is revoked\n`,
    });
    expect((await live.closed).code).toBe(CLOSE.certificateRevoked);
  });
});

describe('a revoked agent', () => {
  it('[cert-34] is cut within a second, its commands end, and its name comes back as another agent', async () => {
    const live = await connected();
    const { vmId, machine } = live.enrolled;
    const running = await submitJob(orchestrator, { selector: `id=${vmId}` });
    const { command_id } = await live.fake.command();
    live.fake.sendState(command_id, 'accepted');
    live.fake.sendState(command_id, 'running');
    while ((await readJob(orchestrator, running.id)).commands[0]?.state !== 'running');
    await live.fake.drop();
    const waiting = await submitJob(orchestrator, { selector: `id=${vmId}` });
    await live.fake.connect();
    const closed = live.fake.closed().then(({ code }) => ({ code, at: performance.now() }));
    const from = performance.now();
    expect((await orchestrator.call({ method: 'DELETE', path: `${ORG}/agents/${vmId}` })).status).toBe(204);
    const end = await closed;
    expect(end.code).toBe(CLOSE.certificateRevoked);
    expect(seconds(from, end.at)).toBeLessThan(1);
    expect(await doorsOf(live.enrolled)).toEqual(REFUSED);
    // It may still run there, and nobody will learn how it ended.
    expect((await readJob(orchestrator, running.id)).commands[0]).toMatchObject({ state: 'unknown' });
    expect((await readJob(orchestrator, waiting.id)).commands[0]?.state).toMatch(/cancelled|unknown/);

    // A new token and a new key: another agent of the same name, which inherits nothing.
    const { token } = await createToken(orchestrator);
    const key = await makeCsr();
    const answer = await register(orchestrator, registration(token, key.csr, { vm_id: vmId }));
    expect(answer.status).toBe(201);
    expect(answer.body.agent_id).not.toBe(machine.response.agent_id);
    const next = {
      ...live.enrolled,
      machine: {
        ...machine,
        key,
        response: answer.body,
        tls: { cert: answer.body.certificate, key: key.pem },
      },
    };
    expect(await doorsOf(live.enrolled)).toEqual(REFUSED);
    expect((await exchange(orchestrator, next.machine.tls, REQUESTS.status(vmId))).status).toBe(200);
    const late = await submitJob(orchestrator, { selector: `id=${vmId}` });
    expect(late.commands.map((command) => command.agent_id)).toEqual([answer.body.agent_id]);
  });

  it('[cert-35] is cut when the hint is lost: whatever another process wrote into the store is found', async () => {
    const [byAgent, byCertificate] = [await connected(), await connected()];
    const fingerprint = await fingerprintOf(byCertificate.enrolled.vmId);
    const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'));
    const from = performance.now();
    try {
      database.exec('PRAGMA busy_timeout = 5000');
      database.prepare("UPDATE agents SET state = 'revoked' WHERE vm_id = ?").run(byAgent.enrolled.vmId);
      database
        .prepare("UPDATE certificates SET revoked_at = ?, revoked_reason = 'x' WHERE fingerprint = ?")
        .run(Date.now(), fingerprint);
    } finally {
      database.close();
    }
    for (const { code, at } of await Promise.all([byAgent.closed, byCertificate.closed])) {
      expect(code).toBe(CLOSE.certificateRevoked);
      expect(seconds(from, at)).toBeLessThan(30);
    }
    expect(await doorsOf(byCertificate.enrolled)).toEqual(REFUSED);
  });
});

describe('an organization', () => {
  it(`[cert-34] loses all its ${FLEET} agents within a second of their revocation, and nobody else does`, async () => {
    const made = await orchestrator.call<{ id: string; name: string }>({
      path: '/api/v1/organizations',
      body: { name: `fleet-${process.pid}` },
    });
    const org = made.body.name;
    const outsider = await connected();
    const fleet: Live[] = [];
    for (let i = 0; i < FLEET; i++) {
      const enrolled = await enrollAgent(orchestrator, {}, { org });
      const fake = enrolled.fake(orchestrator);
      await fake.connect();
      fleet.push({
        enrolled,
        fake,
        closed: fake.closed().then(({ code }) => ({ code, at: performance.now() })),
      });
    }
    const from = performance.now();
    const answer = await orchestrator.call({
      path: `/api/v1/organizations/${org}/agents/revoke`,
      body: { selector: 'all' },
    });
    const answered = performance.now();
    expect(answer).toMatchObject({ status: 200, body: { revoked: FLEET } });
    const ends = await Promise.all(fleet.map(({ closed }) => closed));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([CLOSE.certificateRevoked]));
    const last = Math.max(...ends.map(({ at }) => at));
    process.stderr.write(
      `revocation of ${FLEET} agents: answered after ${seconds(from, answered)} s, last socket closed after ${seconds(from, last)} s\n`,
    );
    expect(seconds(answered, last)).toBeLessThan(1);
    expect(outsider.fake.received.at(-1)?.type).toBe('welcome');
    const gone = await orchestrator.call({ method: 'DELETE', path: `/api/v1/organizations/${org}` });
    expect(gone.status).toBe(204);
    await outsider.fake.drop();
  });
});

describe('a locked machine', () => {
  it('[cert-36] gets nothing, while its heartbeats and its word on the audit log still count', async () => {
    const enrolled = await enrollAgent(orchestrator);
    const live = { enrolled, fake: enrolled.fake(orchestrator) };
    const lock = await orchestrator.call<{ id: string }>({
      path: `${ORG}/locks`,
      body: { target_type: 'agent', target: enrolled.vmId, reason: 'stolen?' },
    });
    await live.fake.connect({ features: ['audit'] });
    const refused = await orchestrator.call({
      path: `${ORG}/jobs`,
      body: { selector: `id=${enrolled.vmId}`, arguments: { command: 'true' } },
    });
    expect(refused).toMatchObject({ status: 423, body: { code: 'locked' } });
    live.fake.sendRaw(
      JSON.stringify({
        type: 'heartbeat',
        at: new Date().toISOString(),
        load: { uptime_s: 4242, load1: 0, memory_used: 0.5, agent_rss_bytes: 1 },
        audit_head: { seq: 7, hash: 'ab'.repeat(32) },
      }),
    );
    // Kept, and counter-signed.
    const { envelope } = await live.fake.next('audit_cosign');
    const kept = JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8'));
    expect(kept).toMatchObject({ agent_id: enrolled.machine.response.agent_id, seq: 7 });
    expect(live.fake.commands).toEqual([]);
    await orchestrator.call({ method: 'DELETE', path: `${ORG}/locks/${lock.body.id}` });
    await live.fake.drop();
  });
});
