import { describe, expect, it } from 'vitest';
import { median, quantile, ratioOfMedians, summarize } from '../../../../bench/lib/stats.ts';

describe('statistics of a benchmark', () => {
  it('takes the middle of an odd series and the mean of the middle two of an even one', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 9, 4, 3])).toBe(6.5);
  });

  it('interpolates quantiles between neighbours', () => {
    const sorted = [0, 10, 20, 30, 40];
    expect(quantile(sorted, 0)).toBe(0);
    expect(quantile(sorted, 0.95)).toBeCloseTo(38);
    expect(quantile(sorted, 1)).toBe(40);
  });

  it('sorts numbers as numbers', () => {
    expect(summarize([100, 9, 20])).toMatchObject({ n: 3, min: 9, median: 20 });
  });

  it('answers NaN for what was never measured', () => {
    expect(summarize([]).median).toBeNaN();
  });

  it('gives a ratio an interval that holds it, and the same one each time', () => {
    const ours = Array.from({ length: 40 }, (_, i) => 20 + (i % 7));
    const base = Array.from({ length: 40 }, (_, i) => 10 + (i % 5));
    const ratio = ratioOfMedians(ours, base);
    expect(ratio.value).toBeCloseTo(23 / 12);
    expect(ratio.interval?.[0]).toBeLessThanOrEqual(ratio.value);
    expect(ratio.interval?.[1]).toBeGreaterThanOrEqual(ratio.value);
    expect(ratioOfMedians(ours, base)).toEqual(ratio);
  });

  it('claims no interval for a handful of samples', () => {
    expect(ratioOfMedians([1, 2, 3, 4], [1, 2, 3, 4, 5])).toEqual({ value: 2.5 / 3 });
  });
});
