import type { Clock } from '../../base/clock.ts';
import type { Actor } from '../../protocol/command.ts';
import type { OrganizationId } from '../../protocol/ids.ts';
import type { JobRequest } from '../../protocol/rest-jobs.ts';
import type { Preview, RolloutPlan } from '../../protocol/rest-rollout.ts';
import { parseSelector } from '../../protocol/selector.ts';
import type { Store } from '../store/store.ts';
import type { SubmitHooks } from './hooks.ts';
import { inWaves } from './rollout/arrange.ts';
import { limitsOf } from './rollout/read.ts';
import { resolveTargets, type Target } from './targets.ts';
import { workOf } from './work.ts';

/** Machines that are listed one by one. */
const MOST_TARGETS = 500;

export interface PreviewRequest {
  organizationId: OrganizationId;
  actor: Actor;
  address: string | null;
  body: JobRequest;
}

/** Who would be hit, in which order. Changes nothing. @throws AppError as a submission. */
export type MakePreview = (request: PreviewRequest) => Promise<Preview>;

interface Turn {
  target: Target;
  wave: number | null;
  note: string | null;
}

function noteOf(target: Target, plan: RolloutPlan | undefined): string | null {
  if (!target.hasTool) return 'has not announced this tool, and would refuse it';
  if (target.online) return null;
  return plan?.offline === 'skip' ? 'offline: left out' : 'offline: runs it when it returns';
}

function turnsOf(targets: readonly Target[], plan: RolloutPlan | undefined): Turn[] {
  const turn = (target: Target, wave: number | null) => ({ target, wave, note: noteOf(target, plan) });
  if (plan === undefined) return targets.map((target) => turn(target, null));
  const away = plan.offline === 'skip' ? targets.filter(({ online }) => !online) : [];
  const left = new Set(away);
  const turns = inWaves(
    targets.filter((target) => !left.has(target)),
    plan,
  );
  return [
    ...turns.map(({ target, wave }) => turn(target, wave)),
    ...away.map((target) => turn(target, null)),
  ];
}

function wavesOf(turns: readonly Turn[]): Preview['waves'] {
  const waves: Preview['waves'] = [];
  for (const { wave, target } of turns) {
    if (wave === null) continue;
    const of = waves[wave - 1] ?? { wave, size: 0, online: 0 };
    waves[wave - 1] = of;
    of.size += 1;
    if (target.online) of.online += 1;
  }
  return waves;
}

export function createPreview(options: {
  store: Pick<Store, 'db'>;
  clock: Clock;
  hooks: SubmitHooks;
}): MakePreview {
  const { store, clock, hooks } = options;
  return async ({ organizationId, actor, address, body }) => {
    parseSelector(body.selector);
    const work = workOf(body);
    const { selector, rollout: plan } = body;
    const targets = await resolveTargets(store.db, { organizationId, selector, tool: work.tool });
    const now = clock.now();
    const notices =
      (await hooks.notices?.(store.db, { organizationId, actor, address, selector, work, targets, now })) ??
      [];
    const turns = turnsOf(targets, plan);
    const waves = wavesOf(turns);
    const total = waves.reduce((sum, { size }) => sum + size, 0);
    const limits = plan === undefined ? undefined : limitsOf(plan, total);
    const online = targets.filter((target) => target.online).length;
    return {
      total: targets.length,
      online,
      offline: targets.length - online,
      unsupported: targets.filter(({ hasTool }) => !hasTool).length,
      waves,
      concurrency: limits?.concurrency ?? null,
      max_failures: limits?.maxFailures ?? null,
      notices,
      targets: turns.slice(0, MOST_TARGETS).map(({ target, wave, note }) => ({
        agent_id: target.agentId,
        vm_id: target.vmId,
        online: target.online,
        wave,
        note,
      })),
      omitted: Math.max(0, turns.length - MOST_TARGETS),
    };
  };
}
