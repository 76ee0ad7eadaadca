import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimeGrid } from '../../../../../agent/logs/insights/time-grid.ts';

const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

describe('counts over time', () => {
  it('keeps few buckets and every count, whatever the times are', () => {
    const times = fc.array(fc.integer({ min: -1e12, max: 4e12 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(times, (all) => {
        const grid = new TimeGrid(20);
        const [one, other] = [grid.series(), grid.series()];
        for (const [index, ms] of all.entries()) grid.add(index % 2 === 0 ? one : other, ms, 2);
        expect(grid.cells).toBeLessThanOrEqual(60);
        const [from, to] = [Math.min(...all), Math.max(...all)];
        const width = grid.widthFor(from, to, 60);
        const dense = grid.dense(one, from, to, width);
        expect(sum(dense) + sum(grid.dense(other, from, to, width))).toBe(2 * all.length);
      }),
    );
  });

  it('counts by second at first, and in coarser buckets exactly', () => {
    const grid = new TimeGrid();
    const series = grid.series();
    for (let ms = 0; ms < 60_000; ms += 500) grid.add(series, ms, 1);
    expect(grid.widthFor(0, 59_999, 60)).toBe(1000);
    expect(grid.dense(series, 0, 59_999, 1000)).toEqual(Array(60).fill(2));
    expect(grid.dense(series, 0, 59_999, 15_000)).toEqual([30, 30, 30, 30]);
    expect(grid.widthFor(0, 59_999, 10)).toBe(15_000);
  });
});
