import { describe, expect, it } from 'vitest';
import { bufferSource } from '../../../../../agent/files/byte-source.ts';
import { timeWindow } from '../../../../../agent/logs/sources/time-search.ts';
import { render, usualEvents } from '../../../../fakes/generated-log.ts';

const START = Date.parse('2026-01-31T00:00:00Z');
const times = { nowMs: START + 1e9, toUtcMs: (ms: number) => ms };
const { signal } = new AbortController();
/** About 16 MB. */
const bytes = Buffer.from(usualEvents({ fromMs: START, count: 180_000, everyMs: 1000 }).map(render).join(''));

describe('the part of a log in which a window lies', () => {
  it('is found by reading little, with all lines of the window in it', async () => {
    let read = 0;
    const whole = bufferSource(bytes);
    const counted = {
      ...whole,
      read: (at: number, length: number) => {
        read += length;
        return whole.read(at, length);
      },
    };
    const window = { sinceMs: START + 90_000_000, untilMs: START + 90_600_000 };
    const { from, to } = await timeWindow(counted, window, times, signal);
    const part = bytes.subarray(from, to).toString();
    for (const ms of [window.sinceMs, window.untilMs]) expect(part).toContain(new Date(ms).toISOString());
    expect(to - from).toBeLessThan(4 * 2 ** 20);
    expect(read).toBeLessThan(4 * 2 ** 20);
    expect(bytes[from - 1]).toBe(10);
    expect(bytes[to - 1]).toBe(10);
  });

  it('is the whole for small logs, and where no line bears a time', async () => {
    const small = bufferSource(bytes.subarray(0, 1000));
    expect(await timeWindow(small, { sinceMs: START }, times, signal)).toEqual({ from: 0, to: 1000 });
    const timeless = bufferSource(Buffer.alloc(10 * 2 ** 20, 'nothing but words here\n'));
    const window = { sinceMs: START, untilMs: START + 1 };
    expect(await timeWindow(timeless, window, times, signal)).toEqual({ from: 0, to: timeless.size });
  });

  it('ends where the log ends for a window that is later', async () => {
    const source = bufferSource(bytes);
    const { from, to } = await timeWindow(source, { sinceMs: START + 1e9 }, times, signal);
    expect(to).toBe(bytes.length);
    expect(to - from).toBeLessThan(2 * 2 ** 20);
  });
});
