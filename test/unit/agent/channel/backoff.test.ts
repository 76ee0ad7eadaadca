import { describe, expect, it } from 'vitest';
import { reconnectDelay } from '../../../../agent/channel/backoff.ts';

const at = (share: number) => () => share;

describe('the delay before a connection', () => {
  it('is nothing for the first of a fresh process', () => {
    expect(reconnectDelay({ failures: 0, everConnected: false, random: at(0.99) })).toBe(0);
  });
  it('is uniform in 0–5 s after a lost link', () => {
    expect(reconnectDelay({ failures: 0, everConnected: true, random: at(0) })).toBe(0);
    expect(reconnectDelay({ failures: 0, everConnected: true, random: at(0.5) })).toBe(2500);
  });
  it('doubles its span with each failure, from 2 s to 30 s', () => {
    const spans = [1, 2, 3, 4, 5, 6, 100].map((failures) =>
      reconnectDelay({ failures, everConnected: true, random: at(1) }),
    );
    expect(spans).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });
  it('is what the server asked for, and a fifth more at most', () => {
    expect(reconnectDelay({ failures: 9, everConnected: true, random: at(1), retryAfterMs: 10_000 })).toBe(
      12_000,
    );
  });
  it('is an hour at most, whatever the server asked for, and never less than nothing', () => {
    const wish = (retryAfterMs: number) =>
      reconnectDelay({ failures: 9, everConnected: true, random: at(0), retryAfterMs });
    expect([wish(1e12), wish(-5000)]).toEqual([3600_000, 0]);
  });
});
