import { type Clock, isoTime } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import { jobIdSchema, type OrganizationId, scheduleIdSchema } from '../../protocol/ids.ts';
import type { Schedule, ScheduleSettings } from '../../protocol/rest-schedules.ts';
import { record } from '../audit/audit.ts';
import type { Cancel } from '../jobs/cancel.ts';
import { workOf } from '../jobs/work.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { next } from './due.ts';
import { actorOf } from './engine.ts';
import type { RequireNoApprovals } from './no-approvals.ts';
import { checkTiming, occurrences } from './occurrences.ts';

const SHOWN_RUNS = 5;

export interface ChangeRequest {
  organizationId: OrganizationId;
  actor: Actor;
  address: string | null;
}
type OfOne = ChangeRequest & { id: string };

export interface Schedules {
  list(request: {
    organizationId: string;
    after: string | undefined;
    limit: number;
  }): Promise<{ items: Schedule[]; nextAfter: string | null }>;
  /** By identifier or name. @throws AppError `not_found` */
  get(organizationId: string, id: string): Promise<Schedule>;
  /** @throws AppError `bad_request`, `conflict` when the name is taken */
  create(request: ChangeRequest & { settings: ScheduleSettings }): Promise<Schedule>;
  /** Occurrences that wait on agents end; the new ones take their place. */
  change(request: OfOne & { settings: Partial<ScheduleSettings> }): Promise<Schedule>;
  remove(request: OfOne): Promise<void>;
}

export const findSchedule = async (
  db: Queryable,
  organizationId: string,
  idOrName: string,
): Promise<Row<'schedules'>> => {
  const row = await db
    .selectFrom('schedules')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where((eb) => eb.or([eb('id', '=', idOrName), eb('name', '=', idOrName)]))
    .executeTakeFirst();
  if (row === undefined)
    throw new AppError('not_found', { detail: `There is no schedule ${idOrName} here.` });
  return row;
};

const settingsOf = (row: Row<'schedules'>): ScheduleSettings => ({
  name: row.name,
  cron: row.cron,
  time_zone: row.time_zone,
  runs_on: row.runs_on,
  overlap: row.overlap,
  start_within: row.start_within_s,
  enabled: row.enabled === 1,
  job: JSON.parse(row.job),
});

/** @throws AppError `bad_request` */
function check(settings: ScheduleSettings, nowMs: number): void {
  checkTiming(settings, nowMs);
  workOf({ ...settings.job, expires_in: undefined, lane: undefined });
  if (settings.runs_on === 'agents' && settings.job.rollout !== undefined)
    throw new AppError('bad_request', {
      detail: 'Machines that run a schedule themselves cannot wait for each other’s waves.',
      hint: 'Leave rollout out, or let the orchestrator run it ("runs_on": "orchestrator").',
    });
}

const rowOf = (settings: ScheduleSettings, nowMs: number) => ({
  name: settings.name,
  cron: settings.cron,
  time_zone: settings.time_zone,
  runs_on: settings.runs_on,
  overlap: settings.overlap,
  start_within_s: settings.start_within,
  job: JSON.stringify(settings.job),
  enabled: settings.enabled ? 1 : 0,
  changed_at: nowMs,
  next_at: next(settings, nowMs),
});

export function createSchedules(options: {
  store: Store;
  clock: Clock;
  cancel: Cancel;
  requireNoApprovals: RequireNoApprovals;
}): Schedules {
  const { store, clock, cancel, requireNoApprovals } = options;

  async function shown(db: Queryable, row: Row<'schedules'>): Promise<Schedule> {
    const now = clock.now();
    const last = await db
      .selectFrom('jobs')
      .select(['id', 'due_at'])
      .where('organization_id', '=', row.organization_id)
      .where('schedule_id', '=', row.id)
      .where('due_at', '<=', now)
      .orderBy('due_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return {
      id: scheduleIdSchema.parse(row.id),
      ...settingsOf(row),
      created_at: isoTime(Number(row.created_at)),
      created_by: JSON.parse(row.created_by),
      changed_at: isoTime(Number(row.changed_at)),
      next_runs: row.enabled === 1 ? occurrences(row, now, SHOWN_RUNS).map(isoTime) : [],
      last_job_id: last === undefined ? null : jobIdSchema.parse(last.id),
      last_due_at: last === undefined || last.due_at === null ? null : isoTime(Number(last.due_at)),
    };
  }

  /** @throws AppError `conflict` */
  async function requireFreeName(
    tx: Tx,
    organizationId: string,
    name: string,
    except?: string,
  ): Promise<void> {
    const other = await tx
      .selectFrom('schedules')
      .select('id')
      .where('organization_id', '=', organizationId)
      .where('name', '=', name)
      .executeTakeFirst();
    if (other !== undefined && other.id !== except)
      throw new AppError('conflict', { detail: `There is a schedule with the name ${name} already.` });
  }

  const openJobs = (request: ChangeRequest, scheduleId: string) =>
    store.db
      .selectFrom('jobs as j')
      .select('j.id')
      .where('j.organization_id', '=', request.organizationId)
      .where('j.schedule_id', '=', scheduleId)
      .where('j.open_commands', '>', 0);

  /** What was given ahead and is still to come. */
  const cancelAhead = async (request: ChangeRequest, scheduleId: string): Promise<void> =>
    cancelAll(request, await openJobs(request, scheduleId).where('j.due_at', '>', clock.now()).execute());

  /** What nobody has approved yet; with it its approval ends. */
  const cancelWaiting = async (request: ChangeRequest, scheduleId: string): Promise<void> =>
    cancelAll(
      request,
      await openJobs(request, scheduleId)
        .innerJoin('approvals as a', (join) =>
          join.onRef('a.organization_id', '=', 'j.organization_id').onRef('a.job_id', '=', 'j.id'),
        )
        .where('a.ended_at', 'is', null)
        .execute(),
    );

  async function cancelAll(request: ChangeRequest, jobs: readonly { id: string }[]): Promise<void> {
    for (const { id } of jobs)
      await cancel({ ...request, jobId: jobIdSchema.parse(id) }).catch((cause: unknown) => {
        // It ended meanwhile.
        if (!(cause instanceof AppError)) throw cause;
      });
  }

  const audit = (
    tx: Tx,
    request: ChangeRequest,
    action: string,
    id: string,
    detail: Record<string, unknown>,
  ) =>
    record(tx, {
      at: clock.now(),
      organizationId: request.organizationId,
      action,
      actor: request.actor,
      address: request.address,
      target: id,
      detail,
    });
  const said = ({ name, cron, time_zone, runs_on, enabled, job }: ScheduleSettings) => ({
    name,
    cron,
    time_zone,
    runs_on,
    enabled,
    selector: job.selector,
  });

  return {
    async list({ organizationId, after, limit }) {
      let query = store.db.selectFrom('schedules').selectAll().where('organization_id', '=', organizationId);
      if (after !== undefined) query = query.where('id', '>', after);
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute();
      const page = rows.slice(0, limit);
      const items = await Promise.all(page.map((row) => shown(store.db, row)));
      return { items, nextAfter: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
    },
    async get(organizationId, id) {
      return shown(store.db, await findSchedule(store.db, organizationId, id));
    },
    async create(request) {
      const { organizationId, actor, settings } = request;
      const now = clock.now();
      check(settings, now);
      const id = newId('sch', clock);
      const created_by = JSON.stringify(actor);
      await requireNoApprovals(organizationId, settings, actorOf({ id, name: settings.name, created_by }));
      return store.transaction(async (tx) => {
        await requireFreeName(tx, organizationId, settings.name);
        await tx
          .insertInto('schedules')
          .values({
            organization_id: organizationId,
            id,
            ...rowOf(settings, now),
            created_at: now,
            created_by,
          })
          .execute();
        await audit(tx, request, 'schedule.create', id, said(settings));
        return shown(tx, await findSchedule(tx, organizationId, id));
      });
    },
    async change(request) {
      const { organizationId, id } = request;
      const now = clock.now();
      const present = await findSchedule(store.db, organizationId, id);
      const wanted = { ...settingsOf(present), ...request.settings };
      if (wanted.enabled) await requireNoApprovals(organizationId, wanted, actorOf(present));
      const row = await store.transaction(async (tx) => {
        const before = await findSchedule(tx, organizationId, id);
        const settings = { ...settingsOf(before), ...request.settings };
        check(settings, now);
        await requireFreeName(tx, organizationId, settings.name, before.id);
        await tx
          .updateTable('schedules')
          .set(rowOf(settings, now))
          .where('organization_id', '=', organizationId)
          .where('id', '=', before.id)
          .execute();
        await audit(tx, request, 'schedule.change', before.id, said(settings));
        return findSchedule(tx, organizationId, before.id);
      });
      await cancelAhead(request, row.id);
      return shown(store.db, row);
    },
    async remove(request) {
      const { organizationId, id } = request;
      const row = await store.transaction(async (tx) => {
        const found = await findSchedule(tx, organizationId, id);
        await tx
          .deleteFrom('schedules')
          .where('organization_id', '=', organizationId)
          .where('id', '=', found.id)
          .execute();
        await audit(tx, request, 'schedule.remove', found.id, { name: found.name });
        return found;
      });
      await cancelAhead(request, row.id);
      await cancelWaiting(request, row.id);
    },
  };
}
