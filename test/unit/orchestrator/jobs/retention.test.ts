import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/logger.ts';
import { createOutputStore, type OutputStore } from '../../../../orchestrator/jobs/output-store.ts';
import { createRetention, type Retention } from '../../../../orchestrator/jobs/retention.ts';
import { createGroupCommit } from '../../../../orchestrator/store/group-commit.ts';
import { openStore, type Store } from '../../../../orchestrator/store/store.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/fake-clock.ts';
import { insertAgent, insertOrganization } from '../../../fakes/store-rows.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const TABLES = [
  'jobs',
  'commands',
  'job_events',
  'rollouts',
  'command_digests',
  'idempotency_keys',
  'approvals',
  'approval_decisions',
] as const;

let home: TempHome;
let store: Store;
let files: OutputStore;
let clock: FakeClock;
let retention: Retention;
const open = (keepMs: number | undefined) =>
  createRetention({ store, commits: createGroupCommit(store), files, clock, log: silentLogger, keepMs });

beforeEach(async () => {
  home = await createTempHome();
  clock = createFakeClock();
  store = await openStore(home.join('orchestrator.db'));
  files = createOutputStore(home.join('output'));
  for (const id of ['org-a', 'org-b']) {
    await insertOrganization(store.db, id);
    await insertAgent(store.db, { organization_id: id, id: `agt-${id}` });
  }
  retention = open(30 * DAY);
});
afterEach(async () => {
  await retention.close();
  await files.close();
  await store.close();
  await home.remove();
});

/** A job of now, of `commands` machines that have ended, or of one that has not. */
async function job(org: string, id: string, { ended = true, commands = 1 } = {}): Promise<void> {
  const now = clock.now();
  const of = { organization_id: org, job_id: id };
  const { db } = store;
  await db
    .insertInto('jobs')
    .values({
      organization_id: org,
      id,
      selector: 'all',
      tool: 'execute_shell_command',
      arguments: '{}',
      description: '',
      timeout_s: 1,
      created_at: now,
      created_by: '{}',
      open_commands: ended ? 0 : 1,
      next_event: 1,
    })
    .execute();
  for (let n = 0; n < commands; n++)
    await db
      .insertInto('commands')
      .values({
        ...of,
        id: `${id}-${n}`,
        agent_id: `agt-${org}`,
        vm_id: 'vm-web-000000',
        state: ended ? 'succeeded' : 'running',
        cancel_requested: 0,
        timeout_s: 1,
        created_at: now,
        ended_at: ended ? now : null,
        expires_at: now,
        stdout_size: 5,
        stderr_size: 0,
        result_late: 0,
      })
      .execute();
  for (let n = 1; n <= 3; n++)
    await db
      .insertInto('job_events')
      .values({ ...of, id: n, type: 'state', at: now })
      .execute();
  await db
    .insertInto('command_digests')
    .values({ ...of, command_id: `${id}-0`, digest: 'x' })
    .execute();
  await db
    .insertInto('idempotency_keys')
    .values({ ...of, actor: 'usr-1', key: id, request_hash: '', created_at: now })
    .execute();
  await db
    .insertInto('rollouts')
    .values({
      ...of,
      plan: '{}',
      state: 'completed',
      wave: 1,
      phase: 'tail',
      waves: '[]',
      total: commands,
      deadline_at: now,
      created_at: now,
      ended_at: ended ? now : null,
    })
    .execute();
  await db
    .insertInto('approvals')
    .values({
      ...of,
      id: `apr-${id}`,
      state: 'approved',
      requester: '{}',
      requester_person: '',
      digest: '',
      subject: '{}',
      requirements: '{}',
      created_at: now,
      expires_at: now,
      ended_at: now,
    })
    .execute();
  await db
    .insertInto('approval_decisions')
    .values({
      organization_id: org,
      approval_id: `apr-${id}`,
      person: 'usr-2',
      actor: '{}',
      decision: 'approve',
      comment: '',
      counts_for: '[]',
      at: now,
    })
    .execute();
  await files.write({ organizationId: org, commandId: `${id}-0`, stream: 'stdout' }, 0, [
    Buffer.from('hello'),
  ]);
}

async function count(table: (typeof TABLES)[number]): Promise<number> {
  const { n } = await store.db
    .selectFrom(table)
    .select((e) => e.fn.countAll().as('n'))
    .executeTakeFirstOrThrow();
  return Number(n);
}
const jobs = async () =>
  (await store.db.selectFrom('jobs').select('id').orderBy('id').execute()).map(({ id }) => id);
const output = (org: string, id: string) => existsSync(home.join(`output/${org}/${id}-0.stdout`));

describe('jobs that have ended', () => {
  it('[retention-1] go when they are old, with all that they printed, and no others', async () => {
    await job('org-a', 'job-old', { commands: 3 });
    await job('org-b', 'job-old');
    await job('org-a', 'job-open', { ended: false });
    await clock.advance(2 * DAY);
    await job('org-a', 'job-young');
    await clock.advance(28 * DAY - HOUR);
    expect(await retention.sweep()).toBe(0);
    expect(await count('command_digests')).toBe(4);
    await clock.advance(3 * HOUR);
    await expect.poll(jobs).toEqual(['job-open', 'job-young']);
    for (const table of TABLES.filter((one) => one !== 'idempotency_keys' && one !== 'job_events'))
      expect([table, await count(table)]).toEqual([table, 2]);
    expect(await count('job_events')).toBe(6);
    expect(output('org-a', 'job-old')).toBe(false);
    expect(output('org-b', 'job-old')).toBe(false);
    expect(output('org-a', 'job-young')).toBe(true);
  });

  it('stay where nobody wants them gone', async () => {
    await retention.close();
    retention = open(undefined);
    await job('org-a', 'job-old');
    await clock.advance(400 * DAY);
    expect(await retention.sweep()).toBe(0);
    expect(await jobs()).toEqual(['job-old']);
  });
});

describe('keys of requests', () => {
  it('are forgotten after a week, by the clock', async () => {
    await job('org-a', 'job-1');
    await clock.advance(7 * DAY - HOUR);
    expect(await count('idempotency_keys')).toBe(1);
    await clock.advance(2 * HOUR);
    await expect.poll(() => count('idempotency_keys')).toBe(0);
    expect(await count('jobs')).toBe(1);
  });
});
