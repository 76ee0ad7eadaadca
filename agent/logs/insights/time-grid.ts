/**
 * Counts over time in bounded memory: buckets are seconds at first, and become coarser, all together, when there are
 * too many. Each width is a multiple of the one before, so that coarser counts are exact.
 */
const WIDTHS_S = [
  1, 5, 15, 60, 300, 900, 3600, 10_800, 43_200, 86_400, 604_800, 2_419_200, 29_030_400, 290_304_000,
];
const COARSEST = WIDTHS_S.length - 1;

/** Counts by bucket number; which width, the grid knows. */
export type Series = Map<number, number>;

export class TimeGrid {
  readonly #maxCells: number;
  readonly #series: Series[] = [];
  #step = 0;
  #cells = 0;

  constructor(maxCells = 200_000) {
    this.#maxCells = maxCells;
  }

  get widthMs(): number {
    return (WIDTHS_S[this.#step] ?? 1) * 1000;
  }

  get cells(): number {
    return this.#cells;
  }

  series(): Series {
    const made: Series = new Map();
    this.#series.push(made);
    return made;
  }

  add(series: Series, ms: number, count: number): void {
    const bucket = Math.floor(ms / this.widthMs);
    const before = series.get(bucket);
    series.set(bucket, (before ?? 0) + count);
    if (before !== undefined) return;
    this.#cells++;
    while (this.#cells > this.#maxCells && this.#step < COARSEST) this.#coarsen();
  }

  #coarsen(): void {
    const before = this.widthMs;
    this.#step++;
    const factor = this.widthMs / before;
    this.#cells = 0;
    for (const series of this.#series) {
      const old = [...series];
      series.clear();
      for (const [bucket, count] of old) {
        const into = Math.floor(bucket / factor);
        series.set(into, (series.get(into) ?? 0) + count);
      }
      this.#cells += series.size;
    }
  }

  /** The smallest width that cuts the span into at most `buckets`; never finer than what was kept. */
  widthFor(fromMs: number, toMs: number, buckets: number): number {
    const found = WIDTHS_S.slice(this.#step).find((width) => {
      const ms = width * 1000;
      return Math.floor(toMs / ms) - Math.floor(fromMs / ms) < buckets;
    });
    return (found ?? WIDTHS_S[COARSEST] ?? 1) * 1000;
  }

  /** Counts by buckets of `widthMs` from the one of `fromMs` to that of `toMs`. */
  dense(series: Series, fromMs: number, toMs: number, widthMs: number): number[] {
    const first = Math.floor(fromMs / widthMs);
    const counts = new Array<number>(Math.floor(toMs / widthMs) - first + 1).fill(0);
    const factor = widthMs / this.widthMs;
    for (const [bucket, count] of series) {
      const at = Math.floor(bucket / factor) - first;
      if (at >= 0 && at < counts.length) counts[at] = (counts[at] ?? 0) + count;
    }
    return counts;
  }
}

/** Adds what `from` counted. */
export function mergeSeries(into: Series, from: Series): void {
  for (const [bucket, count] of from) into.set(bucket, (into.get(bucket) ?? 0) + count);
}
