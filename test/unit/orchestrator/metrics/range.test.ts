import { describe, expect, it } from 'vitest';
import { linesOf, rangeOf } from '../../../../orchestrator/metrics/range.ts';

const NOW = 1_800_000_017;

describe('what answers a question about metrics', () => {
  it.each([
    [3600, 30],
    [6 * 3600, 30],
    [7 * 3600, 300],
    [86_400, 300],
    [3 * 86_400, 3600],
  ])('%i s back is answered in steps of %i s', (back, step) => {
    const range = rangeOf({ from: NOW - back }, NOW);
    expect(range.tier.step).toBe(step);
    expect(range.from % step).toBe(0);
  });

  it('reads an hour when nothing is said, and nothing older than is kept', () => {
    expect(rangeOf({}, NOW).to - rangeOf({}, NOW).from).toBe(3600);
    expect(rangeOf({ from: 0 }, NOW).from).toBeGreaterThanOrEqual(NOW - 7 * 86_400 - 3600);
    expect(rangeOf({ step: 3600 }, NOW).tier.step).toBe(3600);
    expect(() => rangeOf({ from: NOW + 10, to: NOW }, NOW)).toThrow('after');
  });

  it('puts blocks where they belong and leaves the rest empty', () => {
    const range = rangeOf({ from: 900, to: 1080 }, 1100);
    const block = { mean: { load1: [1, 2, 3] } };
    const { times, series } = linesOf(range, [
      { start: 600, block: { mean: { load1: [9, 9, 9, 9, 9, 9, 9, 9, 9, 9] } } },
      { start: 900, block },
    ]);
    expect(times).toEqual([900, 930, 960, 990, 1020, 1050, 1080]);
    expect(series.load1.mean).toEqual([1, 2, 3, null, null, null, null]);
    expect(series.load1.max).toEqual(series.load1.mean);
    expect(series.cpu_used.mean.every((value) => value === null)).toBe(true);
  });
});
