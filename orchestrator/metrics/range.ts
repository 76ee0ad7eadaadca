import { AppError } from '../../protocol/errors.ts';
import {
  METRIC_NAMES,
  METRIC_TIERS,
  METRICS_KEPT_S,
  type MetricName,
  type MetricStep,
  type Metrics,
} from '../../protocol/rest-metrics.ts';
import type { Block, Line } from './block.ts';

export type Tier = (typeof METRIC_TIERS)[number];

/** What to read for a question: whole steps within what is kept. All in seconds since the epoch. */
export interface Range {
  tier: Tier;
  from: number;
  to: number;
}

const DEFAULT_SPAN_S = 3600;
const floorTo = (value: number, step: number): number => Math.floor(value / step) * step;

const [FINEST, , COARSEST] = METRIC_TIERS;

/** The tier and the steps that answer a question. Pure. @throws AppError `bad_request` */
export function rangeOf(
  asked: { from?: number | undefined; to?: number | undefined; step?: MetricStep | undefined },
  nowS: number,
): Range {
  const to = Math.min(asked.to ?? nowS, nowS);
  const from = Math.max(asked.from ?? to - DEFAULT_SPAN_S, nowS - METRICS_KEPT_S);
  if (from > to)
    throw new AppError('bad_request', {
      detail: '`from` lies after `to`.',
      hint: `Both are seconds since the epoch; ${METRICS_KEPT_S / 86_400} days are kept.`,
    });
  const reaches = METRIC_TIERS.find(({ keep }) => nowS - from <= keep) ?? COARSEST;
  const tier = METRIC_TIERS.find(({ step }) => step === asked.step) ?? reaches ?? FINEST;
  return { tier, from: floorTo(from, tier.step), to: floorTo(to, tier.step) };
}

/** Blocks that touch a range, as its lines. Steps that no block knows are null. */
export function linesOf(range: Range, blocks: Iterable<{ start: number; block: Block }>): Metrics {
  const { tier, from, to } = range;
  const { step } = tier;
  const count = (to - from) / step + 1;
  const empty = (): Line => new Array<number | null>(count).fill(null);
  const series: Metrics['series'] = Object.fromEntries(
    METRIC_NAMES.map((name) => [name, { mean: empty(), max: empty() }]),
  ) as Metrics['series'];
  const copy = (name: MetricName, start: number, line: Line | undefined, into: 'mean' | 'max') => {
    for (const [slot, value] of (line ?? []).entries()) {
      const at = (start - from) / step + slot;
      // What an earlier process knew of a block stands in the store, the rest in this one’s memory.
      if (value !== null && at >= 0 && at < count) series[name][into][at] = value;
    }
  };
  for (const { start, block } of blocks)
    for (const name of METRIC_NAMES) {
      copy(name, start, block.mean[name], 'mean');
      copy(name, start, block.max?.[name] ?? block.mean[name], 'max');
    }
  return { from, to, step, times: Array.from({ length: count }, (_, slot) => from + slot * step), series };
}
