import type { CommandState, Reason } from '../../../protocol/command.ts';

/** `wait`: not begun; `busy`: at work; `good`, `bad`, `off`: how it ended. */
export type Tone = 'wait' | 'busy' | 'good' | 'bad' | 'off';

// The types make this complete. The page takes no values from protocol/, since zod is larger than all of it.
const STATES: Readonly<Record<CommandState, { tone: Tone; label: string; final: boolean }>> = {
  scheduled: { tone: 'wait', label: 'scheduled', final: false },
  awaiting_approval: { tone: 'wait', label: 'awaiting approval', final: false },
  held: { tone: 'wait', label: 'held', final: false },
  queued: { tone: 'wait', label: 'queued', final: false },
  sent: { tone: 'busy', label: 'sent', final: false },
  accepted: { tone: 'busy', label: 'accepted', final: false },
  running: { tone: 'busy', label: 'running', final: false },
  succeeded: { tone: 'good', label: 'succeeded', final: true },
  failed: { tone: 'bad', label: 'failed', final: true },
  timed_out: { tone: 'bad', label: 'timed out', final: true },
  cancelled: { tone: 'off', label: 'cancelled', final: true },
  expired: { tone: 'off', label: 'expired', final: true },
  refused: { tone: 'bad', label: 'refused', final: true },
  skipped: { tone: 'off', label: 'skipped', final: true },
  unknown: { tone: 'bad', label: 'unknown', final: true },
};

export const STATE_ORDER = Object.keys(STATES) as CommandState[];
export const stateLabel = (state: CommandState): string => STATES[state]?.label ?? state;
export const stateTone = (state: CommandState): Tone => STATES[state]?.tone ?? 'off';
export const isFinalState = (state: CommandState): boolean => STATES[state]?.final ?? false;

const REASONS: Readonly<Record<Reason, string>> = {
  exit: '',
  signal: 'ended by a signal',
  oom: 'the machine ran out of memory',
  not_started: 'it could not be started',
  output_limit: 'it wrote more than the output limit',
  agent_lost: 'the agent stopped while it ran; whether it finished is not known',
  host_rebooted: 'the machine rebooted while it ran',
  policy: 'the policy of the machine’s owner does not allow it',
  signature: 'the command’s signature did not verify',
  unsupported: 'this agent does not support it',
  clock_skew: 'the machine’s clock is too far off',
  denied: 'another person denied it, or it changed after it was asked for',
  locked: 'it was locked',
  threshold: 'the job stopped before: too many machines had failed',
  health_gate: 'the job stopped before: machines were unwell after their wave',
  no_success: 'the job stopped before: it had not succeeded on one machine',
  deadline: 'the job’s deadline came first',
  restored: 'the orchestrator was restored from a backup meanwhile',
  offline: 'it was offline, and the job left such machines out',
};

/** A sentence part; empty when the exit code says it all. */
export const reasonText = (reason: Reason | null): string =>
  reason === null ? '' : (REASONS[reason] ?? reason);

/** What somebody who waits should know about a state. */
export function stateHint(state: CommandState, agentOnline: boolean | undefined): string {
  if (state === 'queued' && agentOnline === false)
    return 'The machine is offline; it gets the command when it returns.';
  if (state === 'queued') return 'Waiting to be sent.';
  if (state === 'expired') return 'It did not start in time.';
  if (state === 'unknown') return 'Its end cannot be known; it is never run again by itself.';
  return '';
}
