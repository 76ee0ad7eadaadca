import {
  type CommandResult,
  type CommandState,
  isFinal,
  mayFollow,
  type Reason,
} from '../../protocol/command.ts';

/** What the store knows of a command, as far as a decision needs it. */
export interface CommandFacts {
  state: CommandState;
  /** An `unknown` was replaced by a late result before. */
  result_late: boolean;
}

export type CommandEvent =
  /** What it was held for was decided; its turn comes later. */
  | { kind: 'scheduled' }
  /** What it waited for will not come. */
  | { kind: 'withheld'; state: 'skipped' | 'refused'; reason: Reason | null }
  /** It waits for somebody to let it go again. */
  | { kind: 'held' }
  | { kind: 'sent' }
  | { kind: 'reported'; state: 'accepted' | 'running' }
  | { kind: 'result'; result: CommandResult }
  | { kind: 'cancel' }
  /** The agent's journal does not know it any more. */
  | { kind: 'lost' }
  | { kind: 'deadline' };

export interface Change {
  state: CommandState;
  reason: Reason | null;
  result: CommandResult | null;
  /** It replaces an `unknown`. */
  late: boolean;
}

const to = (state: CommandState, reason: Reason | null = null): Change => ({
  state,
  reason,
  result: null,
  late: false,
});

function wanted(facts: CommandFacts, event: CommandEvent): Change | undefined {
  switch (event.kind) {
    case 'scheduled':
      return to('scheduled');
    case 'withheld':
      return to(event.state, event.reason);
    case 'held':
      return to('held', 'restored');
    case 'sent':
      return to('sent');
    case 'reported':
      return to(event.state);
    case 'cancel':
      // Once it may have been sent, only the agent can say how it ended.
      return facts.state === 'sent' || facts.state === 'accepted' || facts.state === 'running'
        ? undefined
        : to('cancelled');
    case 'lost':
      return to('unknown', 'agent_lost');
    case 'deadline':
      if (isFinal(facts.state)) return undefined;
      return mayHaveStarted(facts.state) ? to('unknown', 'agent_lost') : to('expired');
    case 'result': {
      const late = facts.state === 'unknown';
      if (late && facts.result_late) return undefined;
      return { state: event.result.state, reason: event.result.reason ?? null, result: event.result, late };
    }
  }
}

/** The agent may have it. */
export const mayHaveStarted = (state: CommandState): boolean =>
  state === 'sent' || state === 'accepted' || state === 'running';

/**
 * What becomes of a command after an event; undefined when nothing does, because it was seen before or came too
 * late. The same event twice changes nothing the second time.
 */
export function decide(facts: CommandFacts, event: CommandEvent): Change | undefined {
  const change = wanted(facts, event);
  return change !== undefined && mayFollow(facts.state, change.state) ? change : undefined;
}
