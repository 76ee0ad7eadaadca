import { describe, expect, it } from 'vitest';
import type { LogEvent } from '../../../../../agent/logs/engine/types.ts';
import { LogStats, mainLevel, noLevels } from '../../../../../agent/logs/insights/log-stats.ts';

const event = (at: number, more: Partial<LogEvent> = {}): LogEvent => ({
  line: at + 1,
  lines: 1,
  timeMs: at * 1000,
  level: 'info',
  levelSource: 'field',
  text: `line ${at} ${'x'.repeat(2000)}`,
  message: `line ${at}`,
  continuation: [],
  pattern: at % 50,
  ...more,
});

describe('what is kept of events', () => {
  it('[logs-6] does not grow with their number, and counts each of them', () => {
    const stats = new LogStats();
    const total = 300_000;
    for (let at = 0; at < total; at++)
      // Years in all, errors from anywhere, times that jump.
      stats.add(
        event(at, {
          timeMs: (at * 7919 * 60_000) % 3e11,
          level: at % 3 === 0 ? 'error' : 'info',
          continuation: [`Error${at % 5000}Exception: x`],
        }),
      );
    expect(stats.grid.cells).toBeLessThanOrEqual(200_000);
    expect(stats.gaps.length).toBeLessThanOrEqual(8);
    expect(stats.lastLines.length).toBeLessThanOrEqual(8);
    const patterns = stats.patterns({
      pattern: (index) => ({ id: `p${index}`, template: '', parameters: [], count: 0, index }),
    });
    expect(patterns.size).toBe(50);
    for (const { first, last } of patterns.values()) {
      expect(first.length + last.length).toBeLessThanOrEqual(6);
      for (const { text } of [...first, ...last]) expect(text.length).toBeLessThanOrEqual(600);
    }
    expect([...patterns.values()].reduce((sum, { count }) => sum + count, 0)).toBe(total);
    const errors = stats.errors({
      pattern: (index) => ({ id: `p${index}`, template: '', parameters: [], count: 0, index }),
    });
    expect(errors.length).toBeLessThanOrEqual(600);
    expect(errors.reduce((sum, { count }) => sum + count, 0)).toBe(total / 3);
  });

  it('adds up patterns that turned out to be one', () => {
    const stats = new LogStats();
    for (let at = 0; at < 10; at++) stats.add(event(at, { pattern: at % 2, text: `t${at}` }));
    const merged = stats.patterns({
      pattern: (index) => ({ id: 'same', template: '', parameters: [], count: 0, index }),
    });
    expect(merged.get('same')).toMatchObject({ count: 10, firstMs: 0, lastMs: 9000, firstEvent: 0 });
    expect(merged.get('same')?.first.map(({ line }) => line)).toEqual([1, 2, 3]);
    expect(merged.get('same')?.last.at(-1)).toEqual({ line: 10, text: 't9' });
  });

  it('calls a pattern by the level that most of its events have', () => {
    expect(mainLevel({ ...noLevels(), info: 5, error: 5 })).toBe('error');
    expect(mainLevel({ ...noLevels(), info: 5, error: 4 })).toBe('info');
  });
});
