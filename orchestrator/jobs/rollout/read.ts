import { isoTime } from '../../../base/clock.ts';
import { type CommandState, FAILED_STATES } from '../../../protocol/command.ts';
import type { JobId, VmId } from '../../../protocol/ids.ts';
import type { Rollout, RolloutPlan, RolloutState, StopReason, Wave } from '../../../protocol/rest-rollout.ts';
import { amountOf } from '../../../protocol/waves.ts';
import type { Row } from '../../store/tables.ts';
import type { KeptWave } from './arrange.ts';

const at = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

/** How many commands of one job are in a state, by wave. */
export interface StateCount {
  wave: number | null;
  state: CommandState;
  n: number;
}

/** The plan's amounts as numbers. At least one machine is at work, whatever a share comes to. */
export function limitsOf(plan: RolloutPlan, total: number): { concurrency: number; maxFailures: number } {
  return {
    concurrency:
      plan.concurrency === undefined ? total : Math.max(1, amountOf(plan.concurrency, total, Math.floor)),
    maxFailures: amountOf(plan.max_failures, total, Math.floor),
  };
}

export const planOf = (row: Pick<Row<'rollouts'>, 'plan'>): RolloutPlan =>
  JSON.parse(row.plan) as RolloutPlan;
export const keptWaves = (row: Pick<Row<'rollouts'>, 'waves'>): KeptWave[] =>
  JSON.parse(row.waves) as KeptWave[];

/** vm_ids that gates found unwell. */
export const unhealthyOf = (row: Pick<Row<'rollouts'>, 'waves'>): ReadonlySet<string> =>
  new Set(keptWaves(row).flatMap(({ unhealthy }) => unhealthy));

const isFailed = (state: CommandState): boolean => (FAILED_STATES as readonly string[]).includes(state);

function toWave(wave: number, kept: KeptWave, counts: readonly StateCount[]): Wave {
  const own = counts.filter((count) => count.wave === wave);
  return {
    wave,
    size: kept.size,
    state: kept.state,
    started_at: at(kept.started_at),
    ended_at: at(kept.ended_at),
    check_job_id: kept.check_job_id as JobId | null,
    unhealthy: kept.unhealthy as VmId[],
    counts: Object.fromEntries(own.map(({ state, n }) => [state, n])),
  };
}

/** A rollout as people see it. */
export function toRollout(row: Row<'rollouts'>, counts: readonly StateCount[]): Rollout {
  const plan = planOf(row);
  const kept = keptWaves(row);
  const { concurrency, maxFailures } = limitsOf(plan, row.total);
  const failed = counts.reduce((sum, { state, n }) => sum + (isFailed(state) ? n : 0), 0);
  return {
    plan,
    state: row.state as RolloutState,
    wave: row.wave,
    waves: kept.map((wave, index) => toWave(index + 1, wave, counts)),
    concurrency,
    max_failures: maxFailures,
    failures: failed + kept.reduce((sum, { unhealthy }) => sum + unhealthy.length, 0),
    stop_reason: row.stop_reason as StopReason | null,
    stop_detail: row.stop_detail,
    resumes_at: row.phase === 'pausing' ? at(row.phase_until) : null,
    deadline_at: isoTime(row.deadline_at),
    ended_at: at(row.ended_at),
  };
}
