import { expect, it } from 'vitest';
import { endOf } from '../../../../orchestrator/terminals/end.ts';

const facts = { limitReached: false, waited: false };

it.each([
  [{ state: 'succeeded', exit_code: 0 }, 'exit', 0],
  [{ state: 'failed', reason: 'exit', exit_code: 3 }, 'exit', 3],
  [{ state: 'failed', reason: 'signal', signal: 'SIGKILL' }, 'killed', null],
  [{ state: 'failed', reason: 'not_started' }, 'not_started', null],
  [{ state: 'timed_out' }, 'idle_timeout', null],
  [{ state: 'cancelled' }, 'closed', null],
  [{ state: 'refused', reason: 'policy' }, 'refused', null],
  [{ state: 'refused', reason: 'denied' }, 'denied', null],
  [{ state: 'expired' }, 'not_started', null],
  [{ state: 'unknown', reason: 'agent_lost' }, 'killed', null],
] as const)('%o is told as %s', (outcome, reason, exitCode) => {
  expect(endOf(outcome, facts)).toMatchObject({ reason, exitCode });
});

it('tells a terminal that nobody approved in time', () => {
  expect(endOf({ state: 'expired' }, { ...facts, waited: true }).reason).toBe('denied');
});

it('tells an end at the time limit from one for want of use, and what the agent said', () => {
  expect(endOf({ state: 'timed_out' }, { ...facts, limitReached: true }).reason).toBe('time_limit');
  const error = { code: 'policy_refused', message: 'The policy denies it.' } as const;
  expect(endOf({ state: 'refused', error }, facts).message).toContain('The policy denies it.');
});
