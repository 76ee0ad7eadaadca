import { describe, expect, it } from 'vitest';
import { decide } from '../../../../orchestrator/jobs/progress.ts';
import { type CommandResult, commandStateSchema, isFinal } from '../../../../protocol/command.ts';

const result = (over: Partial<CommandResult> = {}): CommandResult => ({
  state: 'succeeded',
  reason: 'exit',
  exit_code: 0,
  ended_at: '2026-01-01T00:00:00.000Z',
  ...over,
});
const facts = (state: string, late = false) => ({
  state: commandStateSchema.parse(state),
  result_late: late,
});

describe('what becomes of a command', () => {
  it.each([
    ['queued', 'sent'],
    ['sent', undefined],
    ['cancelled', undefined],
  ])('when it is sent from %s: %s', (state, wanted) => {
    expect(decide(facts(state), { kind: 'sent' })?.state).toBe(wanted);
  });

  it.each([
    ['queued', 'cancelled'],
    ['sent', undefined],
    ['accepted', undefined],
    ['running', undefined],
    ['succeeded', undefined],
  ])('when a cancel is asked for in %s: %s', (state, wanted) => {
    expect(decide(facts(state), { kind: 'cancel' })?.state).toBe(wanted);
  });

  it.each([
    ['queued', 'expired'],
    ['sent', 'unknown'],
    ['accepted', 'unknown'],
    ['running', 'unknown'],
    ['failed', undefined],
    ['unknown', undefined],
  ])('when its deadline passes in %s: %s', (state, wanted) => {
    expect(decide(facts(state), { kind: 'deadline' })?.state).toBe(wanted);
  });

  it('goes from sent to its result when the messages between were lost', () => {
    const change = decide(facts('sent'), { kind: 'result', result: result() });
    expect(change).toMatchObject({ state: 'succeeded', reason: 'exit', late: false });
  });

  it('never goes back: running after accepted, not the reverse', () => {
    expect(decide(facts('accepted'), { kind: 'reported', state: 'running' })?.state).toBe('running');
    expect(decide(facts('running'), { kind: 'reported', state: 'accepted' })).toBeUndefined();
  });

  it('keeps its first result', () => {
    for (const state of commandStateSchema.options.filter((s) => isFinal(s) && s !== 'unknown'))
      expect(decide(facts(state), { kind: 'result', result: result({ state: 'failed' }) })).toBeUndefined();
  });

  it('replaces unknown once', () => {
    expect(decide(facts('unknown'), { kind: 'result', result: result() })).toMatchObject({ late: true });
    expect(decide(facts('unknown', true), { kind: 'result', result: result() })).toBeUndefined();
    expect(
      decide(facts('unknown'), { kind: 'result', result: result({ state: 'unknown' }) }),
    ).toBeUndefined();
  });

  it('takes no end from an agent that only an orchestrator may give', () => {
    expect(
      decide(facts('running'), { kind: 'result', result: result({ state: 'skipped' }) }),
    ).toBeUndefined();
    expect(
      decide(facts('running'), { kind: 'result', result: result({ state: 'expired' }) }),
    ).toBeUndefined();
  });
});
