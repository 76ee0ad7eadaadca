import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/logger.ts';
import { createMetricsHistory, type MetricsHistory } from '../../../../orchestrator/metrics/history.ts';
import { createGroupCommit } from '../../../../orchestrator/store/group-commit.ts';
import { openStore, type Store } from '../../../../orchestrator/store/store.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/fake-clock.ts';
import { insertAgent, insertOrganization } from '../../../fakes/store-rows.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

const AGENT = { organizationId: 'org', agentId: 'agt' };
const sample = (cpu_used: number) => ({
  uptime_s: 1,
  load1: 1,
  memory_used: 0.5,
  agent_rss_bytes: 1,
  cpu_used,
});
let temp: TempHome;
let store: Store;
let clock: FakeClock;
let history: MetricsHistory;

const create = () =>
  createMetricsHistory({ store, commits: createGroupCommit(store), clock, log: silentLogger });

beforeEach(async () => {
  temp = await createTempHome();
  store = await openStore(temp.join('store.db'));
  await insertOrganization(store.db, 'org');
  await insertAgent(store.db, { organization_id: 'org', id: 'agt', vm_id: 'vm-a-000000' });
  clock = createFakeClock(1_800_000_000_000);
  history = create();
});
afterEach(async () => {
  await history.close();
  await store.close();
  await temp.remove();
});

/** Heartbeats for so many seconds. */
async function live(seconds: number, cpu: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 30) {
    history.take(AGENT, sample(cpu));
    await clock.advance(30_000);
  }
}
const cpu = async (asked: Parameters<MetricsHistory['read']>[1]) => {
  const { series, step } = await history.read(AGENT, asked);
  return { step, values: series.cpu_used.mean.filter((value) => value !== null) };
};
const rows = async () =>
  (await store.db.selectFrom('metric_blocks').select(['step', 'start']).execute()).map(({ step }) => step);

describe('the history of an agent’s load', () => {
  it('gives at once what a heartbeat told, before it is written', async () => {
    history.take(AGENT, sample(0.3));
    expect((await cpu({})).values).toEqual([0.3]);
  });

  it('[metrics-1] keeps a mean and a peak of what is older, and writes a row for ten heartbeats', async () => {
    await live(3600, 0.2);
    await live(3600, 0.8);
    await history.flush();
    const counts = Map.groupBy(await rows(), (step) => step);
    expect(counts.get(30)?.length).toBeLessThanOrEqual(25);
    expect((await cpu({ from: clock.now() / 1000 - 7200, step: 300 })).values.length).toBeGreaterThanOrEqual(
      23,
    );
    const hours = await cpu({ from: clock.now() / 1000 - 7200, step: 3600 });
    expect(hours.values[0]).toBeCloseTo(0.2, 2);
    expect(hours.values.at(-1)).toBeGreaterThan(0.7);
  });

  it('goes on in the middle of a block after a restart', async () => {
    await live(90, 0.1);
    await history.close();
    history = create();
    await live(60, 0.2);
    await history.flush();
    expect((await cpu({})).values).toEqual([0.1, 0.1, 0.1, 0.2, 0.2]);
  });

  it('drops what is older than it promises to keep', async () => {
    await live(600, 0.5);
    await history.flush();
    await clock.advance(7 * 3600_000);
    await history.sweep();
    expect(new Set(await rows())).toEqual(new Set([300, 3600]));
    await clock.advance(9 * 86_400_000);
    await history.sweep();
    expect(await rows()).toEqual([]);
  });
});
