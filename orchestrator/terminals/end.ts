import type { CommandResult, CommandState } from '../../protocol/command.ts';
import type { EndReason } from '../../protocol/terminal-socket.ts';
import type { TerminalEnd } from './live-terminal.ts';

const TEXT: Readonly<Record<EndReason, string>> = {
  exit: 'The shell has ended.',
  closed: 'The terminal was closed.',
  idle_timeout: 'Nobody used the terminal for too long.',
  time_limit: 'The terminal was open for as long as one may be.',
  access_ended: 'You may not use this terminal any more: the session has ended, or a right was taken away.',
  locked: 'A lock stops this terminal.',
  denied: 'The terminal was not approved.',
  agent_offline: 'The agent was away for too long.',
  agent_revoked: 'The agent was revoked.',
  abandoned: 'Nobody came back to the terminal.',
  recording_full: 'The recording is as large as one may be; open a new terminal.',
  recording_failed: 'The terminal cannot be recorded any more, so it was closed.',
  refused: 'The agent refused to open a terminal.',
  not_started: 'The terminal could not be started.',
  killed: 'The terminal was ended on the machine.',
  orchestrator_stopped: 'The orchestrator was stopped.',
};

export const ended = (reason: EndReason): TerminalEnd => ({
  reason,
  exitCode: null,
  signal: null,
  message: TEXT[reason],
});

/** What the end of its command means for a terminal. Pure. */
export function endOf(
  outcome: Pick<CommandResult, 'exit_code' | 'signal' | 'error' | 'reason'> & { state: CommandState },
  /** `waited`: for an approval, until this end. */
  facts: { limitReached: boolean; waited: boolean },
): TerminalEnd {
  const how = { exitCode: outcome.exit_code ?? null, signal: outcome.signal ?? null };
  const said = outcome.error?.message;
  const because = (reason: EndReason): TerminalEnd => ({
    reason,
    ...how,
    message: said === undefined ? TEXT[reason] : `${TEXT[reason]} ${said}`,
  });
  switch (outcome.state) {
    case 'succeeded':
      return because('exit');
    case 'failed':
      if (outcome.reason === 'exit') return because('exit');
      return because(outcome.reason === 'not_started' ? 'not_started' : 'killed');
    case 'timed_out':
      return because(facts.limitReached ? 'time_limit' : 'idle_timeout');
    case 'cancelled':
      return because('closed');
    case 'refused':
      return because(outcome.reason === 'denied' ? 'denied' : 'refused');
    case 'expired':
      // Nobody decided in time, or the agent did not get it.
      return because(facts.waited ? 'denied' : 'not_started');
    case 'skipped':
      return because('refused');
    default:
      return because('killed');
  }
}
