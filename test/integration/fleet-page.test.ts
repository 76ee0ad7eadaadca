import { request } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lock } from '../../protocol/rest-locks.ts';
import {
  type FleetEvent,
  type Machine,
  machineListSchema,
  overviewSchema,
} from '../../protocol/rest-overview.ts';
import { AGENT_SNI } from '../../protocol/version.ts';
import type { FakeAgent } from '../fakes/fake-agent.ts';
import { type EnrolledAgent, enrollAgent, ORG, submitJob } from './support/fleet.ts';
import { followStream } from './support/follow.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';
import { addPerson } from './support/people.ts';

let orchestrator: OrchestratorProcess;
let web: EnrolledAgent;
let db: EnrolledAgent;
const open: FakeAgent[] = [];

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  web = await enrollAgent(orchestrator);
  db = await enrollAgent(orchestrator);
});
afterAll(async () => {
  for (const agent of open) await agent.drop();
  await orchestrator?.stop();
});

const follow = () =>
  followStream<FleetEvent>(orchestrator, {
    path: `${ORG}/fleet/events`,
    token: orchestrator.credentials.api_token,
  });
const tells = (vmId: string, online: boolean) => (event: FleetEvent) =>
  event.type === 'agents' && event.items.some((item) => item.vm_id === vmId && item.online === online);

describe('the fleet as pages see it', () => {
  it('lists every machine in short, packed where the reader takes that', async () => {
    const plain = await orchestrator.call({ path: `${ORG}/fleet` });
    const { items } = machineListSchema.parse(plain.body);
    expect(items.map(({ vm_id }) => vm_id).sort()).toEqual([web.vmId, db.vmId].sort());
    expect(items.every(({ online }) => !online)).toBe(true);
    const packed = await fetchPacked();
    expect(packed.encoding).toBe('gzip');
    expect(JSON.parse(packed.text)).toEqual(plain.body);
  });

  it('tells what changes while it is watched: who comes, what a job does, who goes, who is revoked', async () => {
    await using stream = await follow();
    const agent = web.fake(orchestrator);
    open.push(agent);
    await agent.connect();
    await stream.until(tells(web.vmId, true));
    await submitJob(orchestrator, { selector: `id=${web.vmId}` });
    await stream.until((event) => event.type === 'changed' && event.what.includes('jobs'));
    await agent.drop();
    await stream.until(tells(web.vmId, false));
    await orchestrator.call({ method: 'DELETE', path: `${ORG}/agents/${db.vmId}` });
    const gone = await stream.until((event) => event.type === 'gone');
    expect(gone).toEqual({ type: 'gone', agent_ids: [db.machine.response.agent_id] });
  });

  it('tells of machines that enroll, and of what people decide about them, without a connection', async () => {
    await using stream = await follow();
    const late = await enrollAgent(orchestrator);
    const id = late.machine.response.agent_id;
    const told = (test: (machine: Machine) => boolean) =>
      stream.until(
        (event) => event.type === 'agents' && event.items.some((item) => item.agent_id === id && test(item)),
      );
    const agentPath = `${ORG}/agents/${late.vmId}`;
    await told(({ online }) => !online);
    await orchestrator.call({ method: 'PATCH', path: agentPath, body: { labels: { role: 'db' } } });
    await told(({ labels }) => labels['role'] === 'db');
    for (const state of ['quarantined', 'active']) {
      await orchestrator.call({ method: 'PATCH', path: agentPath, body: { state } });
      await told((machine) => machine.state === state);
    }
    for (const lock of [
      { target_type: 'agent', target: late.vmId },
      { target_type: 'selector', target: 'role=db' },
      { target_type: 'organization' },
    ]) {
      const body = { ...lock, reason: 'under investigation' };
      const made = await orchestrator.call<Lock>({ path: `${ORG}/locks`, body });
      const { id: lockId } = made.body;
      await told((machine) => machine.lock?.id === lockId && machine.lock.reason === body.reason);
      await orchestrator.call({ method: 'DELETE', path: `${ORG}/locks/${lockId}` });
      await told((machine) => machine.lock === null);
    }
    const body = { target_type: 'agent', target: late.vmId, reason: 'for a moment', expires_in: 0.2 };
    await orchestrator.call({ path: `${ORG}/locks`, body });
    await told((machine) => machine.lock === null);
    await orchestrator.call({ method: 'DELETE', path: agentPath });
  });

  it('says first what is offline', async () => {
    const { body } = await orchestrator.call({ path: `${ORG}/overview` });
    const overview = overviewSchema.parse(body);
    expect(overview.machines).toEqual({
      total: 1,
      online: 0,
      offline: 1,
      quarantined: 0,
      pending: 0,
      locked: 0,
    });
    expect(overview).toMatchObject({ held: [], rollouts: [], expiring: [], approvals: { pending: 0 } });
    expect(overview.offline).toMatchObject([{ vm_id: web.vmId, last_seen_at: expect.any(String) }]);
    expect(overview.jobs.active).toBe(1);
  });
});

describe('the overview', () => {
  const read = async (who: Pick<OrchestratorProcess, 'call'>) =>
    overviewSchema.parse((await who.call({ path: `${ORG}/overview` })).body);
  const make = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await orchestrator.call<Record<string, unknown>>({ path: `${ORG}/${path}`, body });
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.body;
  };

  it('says what waits for somebody, and to each only what he may read', async () => {
    const operator = addPerson(orchestrator, 'olga', 'operator');
    const other = await enrollAgent(orchestrator);
    await orchestrator.call({
      method: 'PATCH',
      path: `${ORG}/agents/${other.vmId}`,
      body: { state: 'quarantined', reason: 'it scans the network' },
    });
    await make('locks', { target_type: 'agent', target: web.vmId, reason: 'under investigation' });
    const soon = await make('api-tokens', { name: 'deploy', role: 'viewer', ttl_s: 3 * 86_400 });
    await make('api-tokens', { name: 'later', role: 'viewer', ttl_s: 30 * 86_400 });
    const scoped = await make('api-tokens', { name: 'lists', role: 'viewer', scopes: ['agents.read'] });
    const third = await enrollAgent(orchestrator);
    const job = (command: string) =>
      make('jobs', { selector: `id=${third.vmId}`, arguments: { command }, rollout: {} });
    const paused = await job('deploy');
    await orchestrator.call({ method: 'POST', path: `${ORG}/jobs/${paused['id']}/pause` });
    await make('approval-rules', { name: 'stops', commands: ['*halt*'] });
    await job('halt');
    const seen = await read(orchestrator);
    expect(seen.machines).toMatchObject({ quarantined: 1, locked: 1 });
    expect(seen.held.map(({ vm_id, state, lock }) => [vm_id, state, lock?.reason]).toSorted()).toEqual(
      [
        [web.vmId, 'active', 'under investigation'],
        [other.vmId, 'quarantined', undefined],
      ].toSorted(),
    );
    expect(seen.held.find(({ vm_id }) => vm_id === other.vmId)?.quarantine).toEqual({
      reason: 'operator',
      detail: 'it scans the network',
      since: expect.any(String),
    });
    expect(seen.approvals).toEqual({ pending: 1 });
    expect(seen.rollouts).toMatchObject([{ job: { id: paused['id'] }, state: 'paused', waves: 1 }]);
    expect(seen.expiring).toEqual([
      { kind: 'api_token', id: soon['id'], name: 'deploy', at: expect.any(String) },
    ]);
    expect((await read(operator)).expiring).toEqual([]);
    const listing = await orchestrator.call({
      path: `${ORG}/overview`,
      token: String(scoped['token']),
    });
    expect(listing.body).toMatchObject({
      machines: { locked: 1 },
      jobs: { active: 0 },
      failed: [],
      rollouts: [],
      approvals: null,
    });
  });
});

async function fetchPacked(): Promise<{ encoding: string; text: string }> {
  return new Promise((resolve, reject) => {
    request(
      new URL(`${ORG}/fleet`, orchestrator.url),
      {
        ca: orchestrator.ca,
        servername: AGENT_SNI,
        agent: false,
        headers: {
          authorization: `Bearer ${orchestrator.credentials.api_token}`,
          'accept-encoding': 'gzip, br',
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            encoding: String(response.headers['content-encoding']),
            text: gunzipSync(Buffer.concat(chunks)).toString('utf8'),
          }),
        );
      },
    )
      .on('error', reject)
      .end();
  });
}
