import { describe, expect, it } from 'vitest';
import {
  type CommandState,
  deadlineOf,
  FINAL_STATES,
  isFinal,
  mayFollow,
  OPEN_STATES,
} from '../../../protocol/command.ts';

const ALL: readonly CommandState[] = [...OPEN_STATES, ...FINAL_STATES];

describe('command states', () => {
  it('lets nothing follow a final state, except a late result after unknown', () => {
    for (const from of FINAL_STATES) {
      const next = ALL.filter((to) => mayFollow(from, to));
      if (from === 'unknown') {
        expect(next.every(isFinal)).toBe(true);
        expect(next).not.toContain('unknown');
      } else {
        expect(next).toEqual([]);
      }
    }
  });

  it('never goes back, so that a repeated message cannot reopen a command', () => {
    const reach = (from: CommandState, seen = new Set<CommandState>()): Set<CommandState> => {
      for (const to of ALL) {
        if (mayFollow(from, to) && !seen.has(to)) {
          seen.add(to);
          reach(to, seen);
        }
      }
      return seen;
    };
    for (const state of OPEN_STATES) {
      if (state !== 'held' && state !== 'queued') expect(reach(state).has(state), state).toBe(false);
    }
    for (const state of ['sent', 'accepted', 'running'] as const)
      expect(reach(state).has('queued')).toBe(false);
  });

  it('reaches a final state from every open one', () => {
    for (const state of OPEN_STATES) {
      const ends = (from: CommandState, depth: number): boolean =>
        isFinal(from) || (depth > 0 && ALL.some((to) => mayFollow(from, to) && ends(to, depth - 1)));
      expect(ends(state, ALL.length), state).toBe(true);
    }
  });

  it('cancels in the store alone only what was never sent', () => {
    expect(mayFollow('queued', 'cancelled')).toBe(true);
    expect(mayFollow('queued', 'unknown')).toBe(false);
    expect(mayFollow('queued', 'running')).toBe(false);
  });

  it('ends by expires_at before the start, and by the timeout and its grace after it', () => {
    expect(deadlineOf({ expires_at_ms: 5000, started_at_ms: null, timeout_s: 10 })).toBe(5000);
    expect(deadlineOf({ expires_at_ms: 5000, started_at_ms: 4000, timeout_s: 10 })).toBe(74_000);
  });
});
