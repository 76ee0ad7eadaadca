import type { LoadSample } from '../../protocol/facts.ts';
import { METRIC_NAMES, type MetricName } from '../../protocol/rest-metrics.ts';

/**
 * What is known of one agent during one block of time, a value for each step: a row of the store. Of values that are
 * means already, `max` keeps the largest that went into them, so that a short peak is still seen a week later.
 */
export interface Block {
  mean: Partial<Record<MetricName, Line>>;
  /** Absent in the finest tier, where each value is its own maximum. */
  max?: Partial<Record<MetricName, Line>>;
}
export type Line = (number | null)[];

/** Shares to a hundredth of a percent; the rest (bytes, bytes a second) whole, the load to hundredths. */
function rounded(name: MetricName, value: number): number {
  if (name.endsWith('_used')) return Math.round(value * 10_000) / 10_000;
  return name === 'load1' ? Math.round(value * 100) / 100 : Math.round(value);
}

function put(lines: Block['mean'], name: MetricName, slot: number, value: number): void {
  const line = lines[name] ?? [];
  while (line.length <= slot) line.push(null);
  line[slot] = rounded(name, value);
  lines[name] = line;
}

/** Puts a sample into its slot; a later one of the same slot takes its place. */
export function addSample(block: Block, slot: number, load: LoadSample): void {
  for (const name of METRIC_NAMES) {
    const value = load[name];
    if (value !== undefined) put(block.mean, name, slot, value);
  }
}

/** Mean and maximum of everything in a block, as one slot of the next coarser one. */
export function rollUp(fine: Block, coarse: Block, slot: number): void {
  coarse.max ??= {};
  for (const name of METRIC_NAMES) {
    const values = fine.mean[name]?.filter((value) => value !== null) ?? [];
    if (values.length === 0) continue;
    const peaks = (fine.max?.[name] ?? values).filter((value) => value !== null);
    put(coarse.mean, name, slot, values.reduce((sum, value) => sum + value, 0) / values.length);
    put(coarse.max, name, slot, Math.max(...peaks));
  }
}

/** Both blocks in one; `over` wins where both know something. */
export function mergeBlocks(under: Block, over: Block): Block {
  const lines = (a: Block['mean'] = {}, b: Block['mean'] = {}): Block['mean'] => {
    const merged: Block['mean'] = {};
    for (const name of METRIC_NAMES) {
      const [first = [], second = []] = [a[name], b[name]];
      const length = Math.max(first.length, second.length);
      if (length > 0) merged[name] = Array.from({ length }, (_, slot) => second[slot] ?? first[slot] ?? null);
    }
    return merged;
  };
  const max = under.max || over.max ? { max: lines(under.max, over.max) } : {};
  return { mean: lines(under.mean, over.mean), ...max };
}

export const emptyBlock = (): Block => ({ mean: {} });
