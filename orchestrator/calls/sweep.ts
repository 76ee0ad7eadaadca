import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { OutputStore } from '../jobs/output-store.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Trail } from '../store/tables-jobs.ts';

const EVERY_MS = 10 * 60_000;
const BATCH = 200;
/** How long ended calls are kept (ms). What counts as a command is kept as jobs are, and the audit log keeps all. */
const KEPT_MS = { ends: 6 * 3600_000, none: 3600_000 } as const satisfies Partial<Record<Trail, number>>;

/** Takes calls of the page out of the store when nobody looks back at them any more. */
export function sweepCalls(options: {
  commits: GroupCommit;
  files: Pick<OutputStore, 'remove'>;
  clock: Clock;
  log: Logger;
}): { close(): void; sweep(): Promise<number> } {
  const { commits, files, clock, log } = options;

  async function sweepBatch(): Promise<number> {
    const now = clock.now();
    const gone = await commits.run(async (tx) => {
      // Organizations share the sweeper; each row names its own.
      const rows = await tx
        .selectFrom('commands')
        .select(['organization_id', 'id', 'job_id'])
        .where((e) =>
          e.or([
            e.and([e('trail', '=', 'ends'), e('ended_at', '<', now - KEPT_MS.ends)]),
            e.and([e('trail', '=', 'none'), e('ended_at', '<', now - KEPT_MS.none)]),
          ]),
        )
        .limit(BATCH)
        .execute();
      for (const { organization_id, id, job_id } of rows) {
        for (const table of ['job_events', 'idempotency_keys'] as const)
          await tx
            .deleteFrom(table)
            .where('organization_id', '=', organization_id)
            .where('job_id', '=', job_id)
            .execute();
        for (const [table, key] of [
          ['commands', id],
          ['jobs', job_id],
        ] as const)
          await tx
            .deleteFrom(table)
            .where('organization_id', '=', organization_id)
            .where('id', '=', key)
            .execute();
      }
      return rows;
    });
    for (const { organization_id: organizationId, id: commandId } of gone)
      for (const stream of ['stdout', 'stderr'] as const)
        await files.remove({ organizationId, commandId, stream });
    return gone.length;
  }

  async function sweep(): Promise<number> {
    let total = 0;
    for (let found = BATCH; found === BATCH; total += found) found = await sweepBatch();
    return total;
  }
  const timer = every(clock, EVERY_MS, () => {
    sweep().catch((cause: unknown) => log.error({ err: cause }, 'old calls could not be removed'));
  });
  return { sweep, close: () => timer.cancel() };
}
