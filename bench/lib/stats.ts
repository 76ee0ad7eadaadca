/** What a series of measurements comes to. The unit is that of the samples. */
export interface Summary {
  n: number;
  min: number;
  median: number;
  p95: number;
}

const ascending = (samples: readonly number[]): number[] => samples.toSorted((a, b) => a - b);

/** Linear between the neighbours, as R's type 7. `sorted` is ascending; NaN when it is empty. */
export function quantile(sorted: readonly number[], q: number): number {
  const place = (sorted.length - 1) * q;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

export const median = (samples: readonly number[]): number => quantile(ascending(samples), 0.5);

export function summarize(samples: readonly number[]): Summary {
  const sorted = ascending(samples);
  return {
    n: sorted.length,
    min: sorted[0] ?? Number.NaN,
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
  };
}

/** Small generator with a seed (mulberry32), so that the same samples always give the same interval. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface RatioOfMedians {
  value: number;
  /** 95 % interval of the ratio, from 1,000 resamplings of both series; undefined below five samples of either. */
  interval?: readonly [low: number, high: number];
}

const RESAMPLINGS = 1000;

/** How many times as large as `base` the samples of `ours` are, and how sure that is. */
export function ratioOfMedians(ours: readonly number[], base: readonly number[]): RatioOfMedians {
  const value = median(ours) / median(base);
  if (ours.length < 5 || base.length < 5) return { value };
  const random = seeded(1);
  const draw = (from: readonly number[]) =>
    from.map(() => from[Math.floor(random() * from.length)] ?? Number.NaN);
  const ratios = ascending(
    Array.from({ length: RESAMPLINGS }, () => median(draw(ours)) / median(draw(base))),
  );
  return { value, interval: [quantile(ratios, 0.025), quantile(ratios, 0.975)] };
}
