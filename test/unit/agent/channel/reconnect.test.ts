import { describe, expect, it } from 'vitest';
import type { Closed } from '../../../../agent/channel/connection.ts';
import { afterConnection, FRESH, nextDelay } from '../../../../agent/channel/reconnect.ts';

const closed = (more: Partial<Closed> = {}): Closed => ({
  wasOpen: false,
  code: 1006,
  reason: '',
  error: undefined,
  retryAfterS: undefined,
  ...more,
});

describe('when to connect again', () => {
  it('connects a fresh process at once', () => {
    expect(nextDelay(FRESH, () => 0.9)).toBe(0);
  });

  it('spreads the first try after a lost link over five seconds', () => {
    const state = afterConnection(FRESH, closed({ wasOpen: true }), 60_000);
    expect(nextDelay(state, () => 0.5)).toBe(2500);
  });

  it('counts a connection that was dropped at once as a failure', () => {
    let state = FRESH;
    for (let i = 0; i < 10; i++) state = afterConnection(state, closed({ wasOpen: true }), 50);
    expect(state.failures).toBe(10);
    expect(nextDelay(state, () => 1)).toBe(30_000);
  });

  it('does as the orchestrator asks', () => {
    const state = afterConnection(FRESH, closed({ retryAfterS: 100 }), 0);
    expect(nextDelay(state, () => 0)).toBe(100_000);
    expect(nextDelay(afterConnection(state, closed(), 0), () => 1)).toBeLessThanOrEqual(30_000);
  });
});
