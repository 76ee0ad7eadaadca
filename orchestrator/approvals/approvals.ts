import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Bus } from '../hub/bus.ts';
import type { Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { createDecide, type Decide, endApproval, type JobsOfApprovals } from './decide.ts';
import { createGate, type Gate } from './gate.ts';

/** What another replica, or an earlier life of this one, left behind is found this often. */
const SWEEP_MS = 5000;
const BATCH = 100;

export interface Approvals extends Pick<Decide, 'approve' | 'deny'> {
  /** What jobs ask before they begin. */
  gate: Gate;
  /** Ends what nobody decided in time, or whose job ended meanwhile. */
  sweep(): Promise<void>;
  close(): void;
}

/** Joins the parts of approvals. `jobs` is given late: jobs ask the gate, and approvals let jobs go. */
export function createApprovals(options: {
  store: Store;
  bus: Bus;
  clock: Clock;
  log: Logger;
  jobs: () => JobsOfApprovals;
  outputCap: number;
}): Approvals {
  const { store, bus, clock, log, outputCap } = options;
  const jobs: JobsOfApprovals = {
    release: (request) => options.jobs().release(request),
    endHeld: (...given) => options.jobs().endHeld(...given),
  };
  /** Jobs that were stored with an approval, until a hint says that they are. */
  const fresh = new Set<string>();
  /** Jobs whose approval is pending as far as this process knows. */
  const waiting = new Set<string>();

  const changed = (organizationId: string, jobId: string): void => {
    bus.publish({ topic: 'job', organization_id: organizationId, job_id: jobId });
    bus.publish({ topic: 'approvals', organization_id: organizationId });
  };

  const decide = createDecide({ store, clock, jobs, outputCap, changed });

  /** Ends a pending approval whose time is over, or whose job needs none any more. */
  async function settle(key: { organization_id: string; job_id: string }): Promise<void> {
    const ended = await store.transaction(async (tx) => {
      const row = await tx
        .selectFrom('approvals')
        .selectAll()
        .where('organization_id', '=', key.organization_id)
        .where('job_id', '=', key.job_id)
        .where('ended_at', 'is', null)
        .executeTakeFirst();
      if (row === undefined) return true;
      const now = clock.now();
      const context = { now, actor: SYSTEM_ACTOR, address: null };
      if (row.expires_at <= now) {
        const detail = 'Nobody decided in time.';
        await endApproval(tx, row, { state: 'expired', detail, held: { kind: 'deadline' } }, context, jobs);
        return true;
      }
      const open = await tx
        .selectFrom('commands')
        .select('id')
        .where('organization_id', '=', key.organization_id)
        .where('job_id', '=', key.job_id)
        .where('state', '=', 'awaiting_approval')
        .executeTakeFirst();
      if (open !== undefined) return false;
      const detail = 'Nothing of the job waits any more: it was cancelled, or its machines are gone.';
      const end = {
        state: 'cancelled',
        detail,
        held: { kind: 'withheld', state: 'skipped', reason: null },
      } as const;
      await endApproval(tx, row, end, context, jobs);
      return true;
    });
    if (!ended) return;
    waiting.delete(key.job_id);
    changed(key.organization_id, key.job_id);
  }

  const failed = (cause: unknown) => log.error({ err: cause }, 'approvals could not be checked');

  async function sweep(): Promise<void> {
    const rows: Row<'approvals'>[] = await store.db
      .selectFrom('approvals')
      .selectAll()
      .where('ended_at', 'is', null)
      .orderBy('expires_at')
      .limit(BATCH)
      .execute();
    const now = clock.now();
    for (const row of rows) {
      if (row.expires_at <= now) await settle(row);
      else if (!(await decide.finish(row))) waiting.add(row.job_id);
    }
    // Of jobs that ended while nobody was told.
    const left = await store.db
      .selectFrom('approvals as a')
      .select(['a.organization_id', 'a.job_id'])
      .where('a.ended_at', 'is', null)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('commands as c')
              .select('c.id')
              .whereRef('c.organization_id', '=', 'a.organization_id')
              .whereRef('c.job_id', '=', 'a.job_id')
              .where('c.state', '=', 'awaiting_approval'),
          ),
        ),
      )
      .limit(BATCH)
      .execute();
    for (const key of left) await settle(key);
  }

  const unsubscribe = bus.subscribe((hint) => {
    if (hint.topic !== 'job') return;
    if (fresh.delete(hint.job_id)) {
      waiting.add(hint.job_id);
      bus.publish({ topic: 'approvals', organization_id: hint.organization_id });
      // The hint of a job that was given ahead is the first that comes, and may tell of its end.
      settle(hint).catch(failed);
    } else if (waiting.has(hint.job_id)) settle(hint).catch(failed);
  });
  const timer = every(clock, SWEEP_MS, () => void sweep().catch(failed));

  return {
    approve: decide.approve,
    deny: decide.deny,
    gate: createGate({ clock, outputCap, onHeld: (_organizationId, jobId) => void fresh.add(jobId) }),
    sweep,
    close() {
      unsubscribe();
      timer.cancel();
    },
  };
}
