import type { JobId, OrganizationId } from '../../../protocol/ids.ts';
import type { RolloutEvent, RolloutState } from '../../../protocol/rest-rollout.ts';
import { type AuditActor, record, SYSTEM_ACTOR } from '../../audit/audit.ts';
import type { Tx } from '../../store/store.ts';
import type { NewRow, Row } from '../../store/tables.ts';
import { endEvent, takeEventIds } from '../record-change.ts';
import { lifeMsOf } from '../release.ts';
import { DEADLINE_SLACK_MS, type KeptWave } from './arrange.ts';
import type { Action } from './decide.ts';
import { endWaiting } from './end-waiting.ts';
import type { Loaded } from './facts.ts';

type Change = Partial<Omit<Row<'rollouts'>, 'organization_id' | 'job_id' | 'waves'>>;

/** Who does it, and how it is told. */
export interface Told {
  event: RolloutEvent;
  actor?: AuditActor;
  address?: string | null;
  detail?: string | null;
}

/** Writes what became of a rollout, its event and its audit entry; the loaded one follows. */
export async function saveRollout(
  tx: Tx,
  loaded: Loaded,
  change: Change,
  now: number,
  told: Told,
): Promise<void> {
  const { row, waves } = loaded;
  Object.assign(row, change, { waves: JSON.stringify(waves) });
  await tx
    .updateTable('rollouts')
    .set({ ...change, waves: row.waves })
    .where('organization_id', '=', row.organization_id)
    .where('job_id', '=', row.job_id)
    .execute();
  const { event, actor = SYSTEM_ACTOR, address = null, detail = null } = told;
  const job = { organizationId: row.organization_id, jobId: row.job_id };
  const ended = change.ended_at === undefined ? 0 : 1;
  // Until it is over a rollout counts as one of its job's open commands, so that no end is told too early.
  const { first, openCommands } = await takeEventIds(tx, job, 2, ended);
  const rows: NewRow<'job_events'>[] = [
    {
      ...endEvent(job, first, now),
      type: 'rollout',
      state: event,
      offset: row.wave,
      detail,
    },
  ];
  if (ended === 1 && openCommands === 0) rows.push(endEvent(job, first + 1, now));
  await tx.insertInto('job_events').values(rows).execute();
  await record(tx, {
    at: now,
    organizationId: row.organization_id,
    action: `job.${event}`,
    actor,
    address,
    target: row.job_id,
    detail: { wave: row.wave, ...(detail === null ? {} : { detail }) },
  });
}

const currentOf = ({ row, waves }: Loaded): KeptWave | undefined => waves[row.wave - 1];

/** Ends a rollout: it lets go of nothing more. What is at work goes on to its end. */
export async function endRollout(
  tx: Tx,
  loaded: Loaded,
  now: number,
  end: Told & { state: RolloutState; reason?: string },
): Promise<void> {
  const current = currentOf(loaded);
  if (current !== undefined && end.state !== 'completed')
    Object.assign(current, { state: 'stopped', ended_at: now });
  for (const wave of loaded.waves) if (wave.state === 'waiting') wave.state = 'skipped';
  await saveRollout(
    tx,
    loaded,
    {
      state: end.state,
      ended_at: now,
      phase_until: null,
      stop_reason: end.reason ?? null,
      stop_detail: end.detail ?? null,
    },
    now,
    end,
  );
}

/** A wave's machines have a time in which to begin from now on. */
async function beginWave(tx: Tx, loaded: Loaded, job: Row<'jobs'>, wave: number, now: number): Promise<void> {
  const { row, waves } = loaded;
  const last = waves[wave - 2];
  if (last !== undefined) last.state = 'passed';
  Object.assign(waves[wave - 1] ?? {}, { state: 'running', started_at: now });
  await tx
    .updateTable('commands')
    .set({ expires_at: Math.min(now + lifeMsOf(job), row.deadline_at + DEADLINE_SLACK_MS) })
    .where('organization_id', '=', row.organization_id)
    .where('job_id', '=', row.job_id)
    .where('wave', '=', wave)
    .where('state', '=', 'scheduled')
    .execute();
  await saveRollout(tx, loaded, { wave, phase: 'running', phase_until: null }, now, {
    event: 'wave_started',
  });
}

/** Takes the steps that need no signature. */
export async function applyStep(
  tx: Tx,
  loaded: Loaded,
  job: Row<'jobs'>,
  action: Exclude<Action, { do: 'release' | 'start_check' | 'pass_wave' }>,
  now: number,
): Promise<void> {
  const current = currentOf(loaded);
  switch (action.do) {
    case 'begin_wave':
      return beginWave(tx, loaded, job, action.wave, now);
    case 'begin_gate':
      if (current !== undefined) current.state = 'gate';
      return saveRollout(tx, loaded, { phase: 'gate', phase_until: action.until }, now, { event: 'gate' });
    case 'begin_pause':
      if (current !== undefined) current.state = 'pausing';
      return saveRollout(tx, loaded, { phase: 'pausing', phase_until: action.until }, now, {
        event: 'wave_passed',
      });
    case 'begin_tail':
      if (current !== undefined) current.state = 'passed';
      return saveRollout(tx, loaded, { phase: 'tail', phase_until: null }, now, { event: 'wave_passed' });
    case 'stop': {
      const { reason, detail } = action;
      const { organization_id: organizationId, job_id: jobId } = loaded.row;
      const state = reason === 'deadline' ? 'expired' : 'skipped';
      await endWaiting(tx, { organizationId, jobId }, { state, reason }, { now, actor: SYSTEM_ACTOR });
      return endRollout(tx, loaded, now, { state: 'stopped', event: 'stopped', reason, detail });
    }
    case 'complete':
      return endRollout(tx, loaded, now, { state: 'completed', event: 'completed' });
  }
}

export const keyOf = (job: { organizationId: OrganizationId; jobId: JobId }): string =>
  `${job.organizationId}/${job.jobId}`;
