import { request } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FleetEvent, machineListSchema, overviewSchema } from '../../protocol/rest-overview.ts';
import { AGENT_SNI } from '../../protocol/version.ts';
import type { FakeAgent } from '../fakes/fake-agent.ts';
import { type EnrolledAgent, enrollAgent, ORG, submitJob } from './support/fleet.ts';
import { followStream } from './support/follow.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

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

  it('says first what is offline', async () => {
    const { body } = await orchestrator.call({ path: `${ORG}/overview` });
    const overview = overviewSchema.parse(body);
    expect(overview.machines).toEqual({ total: 1, online: 0, offline: 1, quarantined: 0, pending: 0 });
    expect(overview.offline).toMatchObject([{ vm_id: web.vmId, last_seen_at: expect.any(String) }]);
    expect(overview.jobs.active).toBe(1);
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
