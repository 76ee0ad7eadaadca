import { sql } from 'kysely';
import { type Clock, every, type Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { DEADLINE_GRACE_S, deadlineOf } from '../../protocol/command.ts';
import { SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import { type CommandRow, recordChange, selectCommands } from './record-change.ts';

/** The timer is for precision; this finds what another replica, or an earlier life of this one, left behind. */
const SWEEP_MS = 5000;
const BATCH = 200;

export interface Expiry {
  /** The command's deadline is set, or was moved. */
  watch(command: Pick<CommandRow, 'expires_at' | 'started_at' | 'timeout_s'>): void;
  /** Ends what is past its deadline; resolves with how many. */
  sweep(): Promise<number>;
  close(): void;
}

/** `deadlineOf` for the store, in both SQL dialects. */
const DEADLINE = sql<number>`case when started_at is null then expires_at else started_at + (timeout_s + ${sql.lit(DEADLINE_GRACE_S)}) * 1000 end`;

export function createExpiry(options: { commits: GroupCommit; bus: Bus; clock: Clock; log: Logger }): Expiry {
  const { commits, bus, clock, log } = options;
  let next: { at: number; timer: Timer } | undefined;

  function arm(at: number): void {
    if (next !== undefined && next.at <= at) return;
    next?.timer.cancel();
    const timer = clock.setTimer(
      at - clock.now(),
      () => {
        next = undefined;
        run();
      },
      { background: true },
    );
    next = { at, timer };
  }

  async function sweepBatch(): Promise<number> {
    const now = clock.now();
    const { jobs, found, nearest } = await commits.run(async (tx) => {
      // Organizations share the sweeper; each row names its own.
      const due = await tx
        .selectFrom('commands')
        .select(['organization_id', 'id'])
        .where('ended_at', 'is', null)
        .where(DEADLINE, '<=', now)
        .limit(BATCH)
        .execute();
      const ended: { organization_id: string; job_id: string }[] = [];
      for (const { organization_id, id } of due) {
        const row = await selectCommands(tx, organization_id).where('id', '=', id).executeTakeFirstOrThrow();
        const changed = await recordChange(tx, row, { kind: 'deadline' }, { now, actor: SYSTEM_ACTOR });
        if (changed) ended.push(changed);
      }
      const open = await tx
        .selectFrom('commands')
        .select((e) => e.fn.min(DEADLINE).as('deadline'))
        .where('ended_at', 'is', null)
        .executeTakeFirst();
      return { jobs: ended, found: due.length, nearest: open?.deadline ?? null };
    });
    for (const job of jobs)
      bus.publish({ topic: 'job', organization_id: job.organization_id, job_id: job.job_id });
    if (nearest !== null) arm(Math.max(Number(nearest), now + 1));
    return found;
  }

  async function sweep(): Promise<number> {
    let total = 0;
    for (let found = BATCH; found === BATCH; total += found) found = await sweepBatch();
    return total;
  }
  const run = () =>
    void sweep().catch((cause: unknown) => log.error({ err: cause }, 'deadlines could not be checked'));
  const timer = every(clock, SWEEP_MS, run);

  return {
    watch: (command) =>
      arm(
        deadlineOf({
          expires_at_ms: command.expires_at,
          started_at_ms: command.started_at,
          timeout_s: command.timeout_s,
        }),
      ),
    sweep,
    close() {
      timer.cancel();
      next?.timer.cancel();
    },
  };
}
