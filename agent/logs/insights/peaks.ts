/** Buckets in which there was far more than usual. Ends are bucket numbers; `to` is the last one. */
export interface Peak {
  from: number;
  to: number;
  count: number;
  /** In one bucket of the peak at most. */
  highest: number;
  /** The median of all buckets. */
  usual: number;
  /** How far above, in deviations. */
  score: number;
}

/** Fewer are no peak, whatever is usual. */
const MIN_COUNT = 10;
const DEVIATIONS = 6;
const TIMES_USUAL = 3;
/** Without so many buckets nothing is usual. */
export const MIN_BUCKETS = 12;
/** 1.4826 median absolute deviations are a standard deviation where values are normal. */
const MAD_TO_SIGMA = 1.4826;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Stretches above the usual by median and absolute deviation, which the peaks themselves hardly move; the highest first. */
export function findPeaks(counts: readonly number[]): Peak[] {
  if (counts.length < MIN_BUCKETS) return [];
  const usual = median(counts);
  const spread = median(counts.map((count) => Math.abs(count - usual))) * MAD_TO_SIGMA;
  // Counts of independent events spread by the root of their mean at least.
  const sigma = Math.max(spread, Math.sqrt(Math.max(usual, 1)));
  const limit = Math.max(usual + DEVIATIONS * sigma, TIMES_USUAL * usual, MIN_COUNT);
  const peaks: Peak[] = [];
  for (let at = 0; at < counts.length; at++) {
    if ((counts[at] ?? 0) < limit) continue;
    const from = at;
    let count = 0;
    let highest = 0;
    for (; (counts[at] ?? 0) >= limit; at++) {
      count += counts[at] ?? 0;
      highest = Math.max(highest, counts[at] ?? 0);
    }
    peaks.push({ from, to: at - 1, count, highest, usual, score: (highest - usual) / sigma });
  }
  // What is high half of the time is how the log is.
  const high = peaks.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return high * 2 > counts.length ? [] : peaks.sort((a, b) => b.score - a.score);
}

/** Peaks of several series that coincide, each series once; alone where none does. */
export function groupPeaks<T>(peaks: readonly { of: T; peak: Peak }[]): { of: T; peak: Peak }[][] {
  const groups: { of: T; peak: Peak }[][] = [];
  for (const one of [...peaks].sort((a, b) => b.peak.score - a.peak.score)) {
    const group = groups.find(
      (members) =>
        members[0] !== undefined &&
        coincide(members[0].peak, one.peak) &&
        members.every(({ of }) => of !== one.of),
    );
    if (group === undefined) groups.push([one]);
    else group.push(one);
  }
  return groups;
}

/** They begin within a bucket of each other and have at least half of their length in common. */
function coincide(a: Peak, b: Peak): boolean {
  const common = Math.min(a.to, b.to) - Math.max(a.from, b.from) + 1;
  const all = Math.max(a.to, b.to) - Math.min(a.from, b.from) + 1;
  return Math.abs(a.from - b.from) <= 1 && common * 2 >= all;
}
