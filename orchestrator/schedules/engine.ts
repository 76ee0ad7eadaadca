import { type Clock, every, isoTime } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import { type JobId, organizationIdSchema } from '../../protocol/ids.ts';
import { scheduledJobSchema } from '../../protocol/rest-schedules.ts';
import { record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Submit } from '../jobs/submit.ts';
import type { Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { AHEAD_MS, plan, type Step } from './due.ts';
import type { RequireNoApprovals } from './no-approvals.ts';

/** An occurrence starts within this of its time. */
const LOOK_MS = 1000;

export interface ScheduleEngine {
  /** Carries out what is due now; the timer calls it. */
  look(): Promise<void>;
  /** An occurrence at once, besides those that are due. */
  runNow(schedule: Row<'schedules'>, by: Actor, address: string | null): Promise<JobId>;
  close(): Promise<void>;
}

type Schedule = Row<'schedules'>;

/** The schedule itself asks, on behalf of who made it. */
export function actorOf(schedule: Pick<Schedule, 'id' | 'name' | 'created_by'>): Actor {
  const by = JSON.parse(schedule.created_by) as Actor;
  return { type: 'system', id: schedule.id, name: `schedule ${schedule.name} of ${by.name}` };
}

/**
 * Turns occurrences into jobs. A job is stored under a key made of the schedule and the time before the schedule goes
 * on, so that a crash between the two repeats nothing.
 */
export function createScheduleEngine(options: {
  store: Store;
  submit: Submit;
  clock: Clock;
  log: Logger;
  requireNoApprovals: RequireNoApprovals;
}): ScheduleEngine {
  const { store, submit, clock, log, requireNoApprovals } = options;
  let looking: Promise<void> = Promise.resolve();
  let busy = false;

  const note = (schedule: Schedule, action: string, dueAt: number, detail: Record<string, unknown> = {}) =>
    record(store.db, {
      at: clock.now(),
      organizationId: schedule.organization_id,
      action,
      actor: SYSTEM_ACTOR,
      target: schedule.id,
      detail: { name: schedule.name, due_at: isoTime(dueAt), ...detail },
    });

  async function predecessorRuns(schedule: Schedule): Promise<boolean> {
    const open = await store.db
      .selectFrom('jobs')
      .select('id')
      .where('organization_id', '=', schedule.organization_id)
      .where('schedule_id', '=', schedule.id)
      .where('open_commands', '>', 0)
      .limit(1)
      .executeTakeFirst();
    return open !== undefined;
  }

  async function carryOut(schedule: Schedule, step: Step): Promise<void> {
    const { dueAt } = step;
    if (step.kind === 'missed') return note(schedule, 'schedule.missed', dueAt);
    const ahead = schedule.runs_on === 'agents';
    if (!ahead && schedule.overlap === 'skip' && (await predecessorRuns(schedule)))
      return note(schedule, 'schedule.skipped', dueAt, { why: 'the occurrence before it is not at its end' });
    try {
      const organizationId = organizationIdSchema.parse(schedule.organization_id);
      const actor = actorOf(schedule);
      const job = scheduledJobSchema.parse(JSON.parse(schedule.job));
      // A rule may be younger than the schedule.
      await requireNoApprovals(organizationId, { ...schedule, job }, actor);
      await submit({
        organizationId,
        actor,
        address: null,
        idempotencyKey: isoTime(dueAt),
        body: job,
        scheduled: { scheduleId: schedule.id, dueAt, ahead, windowMs: schedule.start_within_s * 1000 },
      });
    } catch (cause) {
      if (!(cause instanceof AppError) || cause.retryable) throw cause;
      // It was changed after its job was stored, and before it went on.
      if (cause.code === 'idempotency_mismatch') return;
      log.warn({ schedule: schedule.name, code: cause.code }, 'an occurrence came to nothing');
      await note(schedule, 'schedule.failed', dueAt, { code: cause.code, why: cause.message });
    }
  }

  const countAhead = async (schedule: Schedule): Promise<number> => {
    const { count } = await store.db
      .selectFrom('jobs')
      .select((eb) => eb.fn.countAll().as('count'))
      .where('organization_id', '=', schedule.organization_id)
      .where('schedule_id', '=', schedule.id)
      .where('due_at', '>', clock.now())
      .where('open_commands', '>', 0)
      .executeTakeFirstOrThrow();
    return Number(count);
  };

  async function advance(schedule: Schedule): Promise<void> {
    const { steps, nextAt } = plan(schedule, clock.now(), await countAhead(schedule));
    for (const step of steps) await carryOut(schedule, step);
    if (nextAt === schedule.next_at) return;
    await store.db
      .updateTable('schedules')
      .set({ next_at: nextAt })
      .where('organization_id', '=', schedule.organization_id)
      .where('id', '=', schedule.id)
      // Who changed it meanwhile has said anew when it comes.
      .where('changed_at', '=', schedule.changed_at)
      .execute();
  }

  async function look(): Promise<void> {
    const now = clock.now();
    // Organizations share the clock; each row names its own.
    const due = await store.db
      .selectFrom('schedules')
      .selectAll()
      .where('enabled', '=', 1)
      .where((eb) =>
        eb.or([
          eb('next_at', '<=', now),
          eb.and([eb('runs_on', '=', 'agents'), eb('next_at', '<=', now + AHEAD_MS)]),
        ]),
      )
      .execute();
    for (const schedule of due)
      await advance(schedule).catch((cause: unknown) =>
        log.error(
          { err: cause, schedule: schedule.name },
          'a schedule could not be carried out; tried again',
        ),
      );
  }

  const timer = every(clock, LOOK_MS, () => {
    if (busy) return;
    busy = true;
    looking = look()
      .catch((cause: unknown) => log.error({ err: cause }, 'schedules could not be read'))
      .finally(() => {
        busy = false;
      });
  });

  return {
    look,
    async runNow(schedule, by, address) {
      const { jobId } = await submit({
        organizationId: organizationIdSchema.parse(schedule.organization_id),
        actor: by,
        address,
        idempotencyKey: undefined,
        body: scheduledJobSchema.parse(JSON.parse(schedule.job)),
        scheduled: {
          scheduleId: schedule.id,
          dueAt: clock.now(),
          ahead: false,
          windowMs: schedule.start_within_s * 1000,
        },
      });
      return jobId;
    },
    async close() {
      timer.cancel();
      await looking;
    },
  };
}
