import type { StopReason } from '../../../protocol/rest-rollout.ts';

/** How many machines of a wave are where. Machines that are offline stand apart: they hold nothing up. */
export interface WaveFacts {
  size: number;
  /** Not begun; online ones could begin now. */
  waitingOnline: number;
  waitingOffline: number;
  /** Given out before the machine went offline, and not sent yet. */
  queuedOffline: number;
  /** At work, or about to be. */
  active: number;
  succeeded: number;
  failed: number;
  /** Skipped, expired or cancelled. */
  notRun: number;
}

/** What a gate has found so far. */
export interface GateFacts {
  /** Machines of the wave on which it succeeded and that are not connected. */
  disconnected: number;
  check: 'none' | 'to_start' | 'running' | 'ended';
  /** Once the check has ended: connected machines on which it did not succeed. */
  failedCheck: number;
}

/**
 * `running`: the wave is at work. `gate`: it is over and looked at. `pausing`: until the next one. `tail`: all waves
 * have passed; machines that were offline may still come.
 */
export type Phase = 'running' | 'gate' | 'pausing' | 'tail';

export interface RolloutFacts {
  now: number;
  paused: boolean;
  phase: Phase;
  /** When a pause, or a gate's patience, is over. */
  phaseUntil: number | null;
  /** The wave that has its turn, from 1; 0 before the first. */
  wave: number;
  waves: readonly WaveFacts[];
  concurrency: number;
  maxFailures: number;
  pauseMs: number;
  gateMs: number;
  /** Whether machines are looked at after their wave: they must be connected, and pass the check if there is one. */
  hasGate: boolean;
  /** Machines that the gates of waves before found unwell. */
  unhealthy: number;
  deadlineAt: number;
  /** In the phase `gate`. */
  gate: GateFacts | null;
}

export type Action =
  | { do: 'begin_wave'; wave: number }
  | { do: 'release'; count: number }
  | { do: 'begin_gate'; until: number }
  | { do: 'start_check' }
  /** The wave's gate, if it has one, found these many unwell. */
  | { do: 'pass_wave'; unhealthy: number }
  | { do: 'begin_pause'; until: number }
  | { do: 'begin_tail' }
  | { do: 'stop'; reason: StopReason; detail: string }
  | { do: 'complete' };

export interface Decision {
  action?: Action;
  /** Without an action: when to look again, besides at every change. */
  wakeAt?: number;
}

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

function sumOf(waves: readonly WaveFacts[], pick: (wave: WaveFacts) => number): number {
  return waves.reduce((sum, wave) => sum + pick(wave), 0);
}

const waiting = (wave: WaveFacts): number => wave.waitingOnline + wave.waitingOffline;
const isOver = (wave: WaveFacts): boolean => wave.active === 0 && wave.waitingOnline === 0;

function tooManyFailed(facts: RolloutFacts, failures: number): Decision {
  const { maxFailures } = facts;
  const allowed = maxFailures === 0 ? 'none may' : `only ${maxFailures} may`;
  return {
    action: {
      do: 'stop',
      reason: 'threshold',
      detail: `${plural(failures, 'machine')} failed, ${allowed}`,
    },
  };
}

/** More commands of waves that have begun, as far as there is room. */
function roomFor(facts: RolloutFacts): number {
  const begun = facts.waves.slice(0, facts.wave);
  const room = facts.concurrency - sumOf(facts.waves, (wave) => wave.active);
  return Math.max(
    0,
    Math.min(
      room,
      sumOf(begun, (wave) => wave.waitingOnline),
    ),
  );
}

function afterWave(facts: RolloutFacts, current: WaveFacts): Decision {
  const offline = current.waitingOffline + current.queuedOffline;
  if (sumOf(facts.waves, (wave) => wave.succeeded) === 0) {
    // Nobody knows yet whether it works anywhere: nothing goes on before that, but what is offline may still come.
    if (offline > 0) return {};
    if (facts.wave < facts.waves.length) {
      const detail = `wave ${facts.wave} ended without a success on any machine`;
      return { action: { do: 'stop', reason: 'no_success', detail } };
    }
  }
  if (facts.hasGate && current.succeeded > 0)
    return { action: { do: 'begin_gate', until: facts.now + facts.gateMs } };
  return { action: { do: 'pass_wave', unhealthy: 0 } };
}

function inGate(facts: RolloutFacts, gate: GateFacts, failures: number): Decision {
  const until = facts.phaseUntil ?? facts.now;
  const missing = gate.disconnected;
  if (missing > 0 && facts.now < until) return { wakeAt: until };
  if (gate.check === 'to_start') return facts.paused ? {} : { action: { do: 'start_check' } };
  if (gate.check === 'running') return {};
  const unhealthy = missing + gate.failedCheck;
  if (unhealthy === 0 || failures + unhealthy <= facts.maxFailures)
    return { action: { do: 'pass_wave', unhealthy } };
  const parts = [
    ...(missing > 0 ? [`${missing} not connected`] : []),
    ...(gate.failedCheck > 0 ? [`${gate.failedCheck} failed the check`] : []),
  ];
  const detail = `after wave ${facts.wave} ${plural(unhealthy, 'machine')} unwell: ${parts.join(', ')}`;
  return { action: { do: 'stop', reason: 'health_gate', detail } };
}

function inPhase(facts: RolloutFacts, current: WaveFacts, failures: number): Decision {
  switch (facts.phase) {
    case 'running':
      return isOver(current) ? afterWave(facts, current) : {};
    case 'gate':
      return facts.gate === null ? {} : inGate(facts, facts.gate, failures);
    case 'pausing': {
      const until = facts.phaseUntil ?? facts.now;
      if (facts.now < until) return { wakeAt: until };
      return facts.paused ? {} : { action: { do: 'begin_wave', wave: facts.wave + 1 } };
    }
    case 'tail': {
      const open = sumOf(facts.waves, (wave) => waiting(wave) + wave.queuedOffline + wave.active);
      return open === 0 ? { action: { do: 'complete' } } : {};
    }
  }
}

/**
 * The one next step of a rollout; the caller takes it and asks again until there is none. What it decides on is in the
 * store, so that a killed orchestrator goes on where it was.
 */
export function decideRollout(facts: RolloutFacts): Decision {
  const failures = facts.unhealthy + sumOf(facts.waves, (wave) => wave.failed);
  if (failures > facts.maxFailures) return tooManyFailed(facts, failures);
  if (facts.now >= facts.deadlineAt && sumOf(facts.waves, waiting) > 0) {
    const detail = `its deadline came before ${plural(sumOf(facts.waves, waiting), 'machine')} had a turn`;
    return { action: { do: 'stop', reason: 'deadline', detail } };
  }
  const [current] = facts.waves.slice(facts.wave - 1, facts.wave);
  if (facts.wave === 0 || current === undefined) {
    if (facts.waves.length === 0) return { action: { do: 'complete' } };
    return facts.paused ? { wakeAt: facts.deadlineAt } : { action: { do: 'begin_wave', wave: 1 } };
  }
  const count = facts.paused ? 0 : roomFor(facts);
  if (count > 0) return { action: { do: 'release', count } };
  const decision = inPhase(facts, current, failures);
  if (decision.action !== undefined) return decision;
  return { wakeAt: Math.min(decision.wakeAt ?? facts.deadlineAt, facts.deadlineAt) };
}

/** After `pass_wave`: what follows it. */
export function afterPass(facts: {
  now: number;
  wave: number;
  /** How many there are. */
  waves: number;
  pauseMs: number;
}): Extract<Action, { do: 'begin_tail' | 'begin_pause' }> {
  if (facts.wave >= facts.waves) return { do: 'begin_tail' };
  return { do: 'begin_pause', until: facts.now + facts.pauseMs };
}
