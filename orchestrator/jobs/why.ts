import type { CommandResult, CommandState, Reason } from '../../protocol/command.ts';

const REASONS: Readonly<Partial<Record<Reason, string>>> = {
  signal: 'ended by a signal',
  oom: 'the machine ran out of memory',
  not_started: 'it could not be started',
  output_limit: 'it wrote more than the output limit',
  agent_lost: 'the agent was lost while it ran; whether it finished is not known',
  host_rebooted: 'the machine rebooted while it ran',
  policy: 'the policy of the machine’s owner does not allow it',
  signature: 'the command’s signature did not verify',
  unsupported: 'the agent does not support it',
  clock_skew: 'the machine’s clock is too far off',
  offline: 'it was offline when the job was made, and such machines were left out',
  restored: 'the orchestrator was put back to a backup while somebody waited for it',
  deadline: 'the job’s deadline came before its turn',
};

/** One command, as far as its explanation needs it. */
export interface Explained {
  state: CommandState;
  reason: Reason | null;
  result: Pick<CommandResult, 'exit_code' | 'signal' | 'error'> | null;
  wave: number | null;
  online: boolean;
  vmId: string;
}

export interface ExplainedJob {
  wave: number;
  paused: boolean;
  stopDetail: string | null;
  /** vm_ids that a gate found unwell. */
  unhealthy: ReadonlySet<string>;
}

function waitsFor({ state, wave, online }: Explained, job: ExplainedJob | null): string | null {
  if (state === 'awaiting_approval') return 'waits for an approval';
  if (state === 'held') return 'held since the orchestrator was restored: release it or cancel it';
  if (state === 'queued') return online ? 'waits to be sent' : 'offline: it gets the command when it returns';
  if (state !== 'scheduled' || job === null) return null;
  if (wave !== null && wave > job.wave) return `waits for its wave, ${wave}`;
  if (job.paused) return 'the job is paused';
  return online ? 'waits for a free place' : 'offline: its turn comes when it returns';
}

/** A sentence for what did not succeed, was unwell afterwards, or still waits; null when its state says it all. */
export function whyOf(command: Explained, job: ExplainedJob | null): string | null {
  const { state, reason, result } = command;
  if (state === 'succeeded')
    return job?.unhealthy.has(command.vmId)
      ? 'unwell after its wave: not connected, or it failed the check'
      : null;
  const waits = waitsFor(command, job);
  if (waits !== null) return waits;
  if (state === 'cancelled') return result === null ? 'cancelled before it began' : 'cancelled while it ran';
  if (result?.error !== undefined) return result.error.message;
  if (state === 'skipped' && reason !== 'offline' && job?.stopDetail) return `never begun: ${job.stopDetail}`;
  if (reason !== null && reason !== 'exit') return REASONS[reason] ?? reason;
  if (result?.exit_code !== undefined && result.exit_code !== 0) return `exit code ${result.exit_code}`;
  if (state === 'expired') return 'it did not begin in its time';
  if (state === 'timed_out') return 'it ran longer than its timeout';
  return null;
}
