import { describe, expect, it } from 'vitest';
import { findPeaks, groupPeaks } from '../../../../../agent/logs/insights/peaks.ts';

const flat = (length: number, count: number) => Array.from({ length }, (_, at) => count + (at % 3) - 1);
const withPeak = (counts: number[], at: number, count: number) => counts.with(at, count);

describe('peaks', () => {
  it('are what is far above the usual, next to each other as one', () => {
    const counts = withPeak(withPeak(flat(60, 20), 30, 200), 31, 150);
    expect(findPeaks(counts)).toMatchObject([{ from: 30, to: 31, count: 350, highest: 200, usual: 20 }]);
  });

  it('are not seen in what varies by chance, is little, or is short', () => {
    expect(findPeaks(flat(60, 20))).toEqual([]);
    expect(findPeaks(withPeak(flat(60, 1), 5, 8))).toEqual([]);
    expect(findPeaks([1, 1, 1, 500])).toEqual([]);
    const growing = Array.from({ length: 60 }, (_, at) => at);
    expect(findPeaks(growing)).toEqual([]);
    const halfFull = Array.from({ length: 60 }, (_, at) => (at % 2 === 0 ? 0 : 100));
    expect(findPeaks(halfFull)).toEqual([]);
  });

  it('of several series that coincide are one group', () => {
    const peak = (from: number, to: number, score: number) => ({
      from,
      to,
      score,
      count: 1,
      highest: 1,
      usual: 0,
    });
    const groups = groupPeaks([
      { of: 'a', peak: peak(10, 12, 5) },
      { of: 'b', peak: peak(11, 12, 9) },
      { of: 'c', peak: peak(40, 40, 7) },
      { of: 'a', peak: peak(11, 12, 1) },
    ]);
    expect(groups.map((group) => group.map(({ of }) => of))).toEqual([['b', 'a'], ['c'], ['a']]);
  });
});
