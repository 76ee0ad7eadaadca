import type { Clock } from '../../../base/clock.ts';
import { newId } from '../../../base/random.ts';
import { AppError } from '../../../protocol/errors.ts';
import { commandIdSchema } from '../../../protocol/ids.ts';
import type { RolloutPlan, Wave } from '../../../protocol/rest-rollout.ts';
import { waveSizes } from '../../../protocol/waves.ts';
import type { NewRow } from '../../store/tables.ts';
import type { Placed } from '../rows.ts';
import type { Target } from '../targets.ts';

/** At its deadline a rollout says itself what becomes of the rest; the sweeper of commands comes after it. */
export const DEADLINE_SLACK_MS = 60_000;

/** A wave as it is kept: what its commands do not say. */
export interface KeptWave {
  size: number;
  state: Wave['state'];
  started_at: number | null;
  ended_at: number | null;
  check_job_id: string | null;
  /** vm_ids that the gate found unwell. */
  unhealthy: string[];
}

/** The wave of each target, in the order of their turns: machines that are online go first, so that a canary can sing. */
export function inWaves(
  targets: readonly Target[],
  plan: RolloutPlan,
): { target: Target; wave: number; position: number }[] {
  const ordered = [...targets.filter(({ online }) => online), ...targets.filter(({ online }) => !online)];
  const turns: { target: Target; wave: number; position: number }[] = [];
  for (const [index, size] of waveSizes(ordered.length, plan.waves).entries()) {
    for (const target of ordered.slice(turns.length, turns.length + size))
      turns.push({ target, wave: index + 1, position: turns.length + 1 });
  }
  return turns;
}

/** @throws AppError `no_agents_match` when all are offline and offline ones are left out. */
export function arrange(
  targets: readonly Target[],
  options: { plan: RolloutPlan | undefined; held: boolean; now: number; lifeMs: number; clock: Clock },
): Placed[] {
  const { plan, held, now, lifeMs, clock } = options;
  const state = held ? 'awaiting_approval' : 'scheduled';
  const commandId = () => commandIdSchema.parse(newId('cmd', clock));
  const place = (target: Target, over: Partial<Placed>): Placed => ({
    commandId: commandId(),
    target,
    state,
    reason: null,
    wave: null,
    position: 0,
    expiresAt: now + lifeMs,
    ...over,
  });
  if (plan === undefined) return targets.map((target) => place(target, {}));
  const expiresAt = now + plan.deadline * 1000 + DEADLINE_SLACK_MS;
  const left = plan.offline === 'skip' ? targets.filter(({ online }) => !online) : [];
  if (left.length === targets.length && left.length > 0) {
    throw new AppError('no_agents_match', {
      detail: `None of the ${targets.length} selected agents is online.`,
      hint: 'Let it wait for those that are offline, or choose others.',
    });
  }
  const away = new Set(left);
  const turns = inWaves(
    targets.filter((target) => !away.has(target)),
    plan,
  );
  return [
    ...turns.map(({ target, wave, position }) => place(target, { wave, position, expiresAt })),
    ...left.map((target) => place(target, { state: 'skipped', reason: 'offline', expiresAt })),
  ];
}

export function rolloutRow(job: {
  organizationId: string;
  jobId: string;
  plan: RolloutPlan;
  placed: readonly Placed[];
  held: boolean;
  now: number;
}): NewRow<'rollouts'> {
  const { placed, plan } = job;
  const sizes: number[] = [];
  for (const { wave } of placed) if (wave !== null) sizes[wave - 1] = (sizes[wave - 1] ?? 0) + 1;
  const waves = sizes.map(
    (size): KeptWave => ({
      size,
      state: 'waiting',
      started_at: null,
      ended_at: null,
      check_job_id: null,
      unhealthy: [],
    }),
  );
  return {
    organization_id: job.organizationId,
    job_id: job.jobId,
    plan: JSON.stringify(plan),
    state: job.held ? 'awaiting_approval' : 'running',
    wave: 0,
    phase: 'running',
    phase_until: null,
    waves: JSON.stringify(waves),
    total: sizes.reduce((sum, size) => sum + size, 0),
    stop_reason: null,
    stop_detail: null,
    deadline_at: job.now + plan.deadline * 1000,
    created_at: job.now,
    ended_at: null,
  };
}
