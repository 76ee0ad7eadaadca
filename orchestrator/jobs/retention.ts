import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store, Tx } from '../store/store.ts';
import type { OutputStore } from './output-store.ts';

const EVERY_MS = 3_600_000;
/** After a start, so that what restarts often forgets as well. */
const FIRST_MS = 5 * 60_000;
/** Rows in one transaction: others wait for it. */
const BATCH = 500;
/** Whoever repeats a request does so soon. */
const KEYS_KEPT_MS = 7 * 24 * 3_600_000;

/** What hangs on a job, and has no commands of its own. */
const OF_JOB = ['command_digests', 'idempotency_keys', 'rollouts'] as const;

interface Ended {
  organization_id: string;
  id: string;
}

/** Takes ended jobs, with all that they printed, off the disk when they are old. The audit log keeps what was done. */
export interface Retention {
  /** Resolves with how many jobs went. */
  sweep(): Promise<number>;
  close(): Promise<void>;
}

export function createRetention(options: {
  store: Pick<Store, 'db'>;
  commits: GroupCommit;
  files: Pick<OutputStore, 'remove'>;
  clock: Clock;
  log: Logger;
  /** How long ended jobs are kept (ms); undefined: for ever. */
  keepMs: number | undefined;
}): Retention {
  const { store, commits, files, clock, log, keepMs } = options;
  let closed = false;

  /** Jobs of which nothing is open and nothing ended lately. Organizations share the sweeper; each row names its own. */
  const oldJobs = (before: number): Promise<Ended[]> =>
    store.db
      .selectFrom('jobs')
      .select(['organization_id', 'id'])
      .where('open_commands', '=', 0)
      .where('created_at', '<', before)
      .where((e) =>
        e.not(
          e.exists(
            e
              .selectFrom('commands')
              .select('commands.id')
              .whereRef('commands.organization_id', '=', 'jobs.organization_id')
              .whereRef('commands.job_id', '=', 'jobs.id')
              .where((c) => c.or([c('commands.ended_at', 'is', null), c('commands.ended_at', '>=', before)])),
          ),
        ),
      )
      .limit(BATCH)
      .execute();

  /** Files first: what is cut off in between is found again by its row. */
  async function removeCommands({ organization_id: organizationId, id }: Ended): Promise<void> {
    for (;;) {
      const rows = await store.db
        .selectFrom('commands')
        .select('id')
        .where('organization_id', '=', organizationId)
        .where('job_id', '=', id)
        .limit(BATCH)
        .execute();
      if (rows.length === 0) return;
      const ids = rows.map((row) => row.id);
      for (const commandId of ids)
        for (const stream of ['stdout', 'stderr'] as const)
          await files.remove({ organizationId, commandId, stream });
      await commits.run((tx) =>
        tx
          .deleteFrom('commands')
          .where('organization_id', '=', organizationId)
          .where('id', 'in', ids)
          .execute(),
      );
    }
  }

  async function removeEvents({ organization_id: organizationId, id }: Ended): Promise<void> {
    for (;;) {
      const row = await store.db
        .selectFrom('job_events')
        .select((e) => e.fn.min('id').as('first'))
        .where('organization_id', '=', organizationId)
        .where('job_id', '=', id)
        .executeTakeFirst();
      const first = row?.first ?? null;
      if (first === null) return;
      await commits.run((tx) =>
        tx
          .deleteFrom('job_events')
          .where('organization_id', '=', organizationId)
          .where('job_id', '=', id)
          .where('id', '<', Number(first) + BATCH)
          .execute(),
      );
    }
  }

  async function removeJob(tx: Tx, { organization_id: organizationId, id }: Ended): Promise<void> {
    const approvals = await tx
      .selectFrom('approvals')
      .select('id')
      .where('organization_id', '=', organizationId)
      .where('job_id', '=', id)
      .execute();
    for (const approval of approvals)
      await tx
        .deleteFrom('approval_decisions')
        .where('organization_id', '=', organizationId)
        .where('approval_id', '=', approval.id)
        .execute();
    for (const table of [...OF_JOB, 'approvals'] as const)
      await tx
        .deleteFrom(table)
        .where('organization_id', '=', organizationId)
        .where('job_id', '=', id)
        .execute();
    await tx.deleteFrom('jobs').where('organization_id', '=', organizationId).where('id', '=', id).execute();
  }

  const forgetKeys = (): Promise<unknown> =>
    commits.run((tx) =>
      tx
        .deleteFrom('idempotency_keys')
        .where('created_at', '<', clock.now() - KEYS_KEPT_MS)
        .execute(),
    );

  async function sweep(): Promise<number> {
    await forgetKeys();
    if (keepMs === undefined) return 0;
    let gone = 0;
    for (let found = BATCH; found === BATCH && !closed; ) {
      const jobs = await oldJobs(clock.now() - keepMs);
      found = jobs.length;
      for (const job of jobs) {
        if (closed) return gone;
        await removeCommands(job);
        await removeEvents(job);
        await commits.run((tx) => removeJob(tx, job));
        gone += 1;
      }
    }
    if (gone > 0) log.info({ jobs: gone }, 'old jobs were removed');
    return gone;
  }

  let running: Promise<unknown> = Promise.resolve();
  let busy = false;
  function run(): void {
    if (busy || closed) return;
    busy = true;
    running = sweep()
      .catch((cause: unknown) => log.error({ err: cause }, 'old jobs could not be removed'))
      .finally(() => {
        busy = false;
      });
  }
  const first = clock.setTimer(FIRST_MS, run, { background: true });
  const timer = every(clock, EVERY_MS, run);

  return {
    sweep,
    async close() {
      closed = true;
      first.cancel();
      timer.cancel();
      await running;
    },
  };
}
