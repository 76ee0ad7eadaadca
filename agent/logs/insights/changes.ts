import type { AnalyzeLog } from '../../../protocol/log-tools.ts';
import type { LogEngine, LogEvent } from '../engine/types.ts';
import { isError, type LevelCounts, mainLevel, noLevels, type PatternStats } from './log-stats.ts';

export type Change = Omit<NonNullable<AnalyzeLog['changes']>[number], 'template'>;

/** Chi-squared with one degree of freedom: less than one in a thousand by chance. */
const SIGNIFICANT = 10.83;
const FACTOR = 2;
/** So many expected events that do not come are no chance (e⁻⁵ < 1 %). */
const MISSED = 5;

/** The window that another one is compared with: how often, and no more. */
export class Baseline {
  readonly #counts = new Map<number, { count: number; levels: LevelCounts }>();
  lines = 0;
  firstMs: number | undefined;

  add({ pattern, level, lines, timeMs }: LogEvent): void {
    this.lines += lines;
    let known = this.#counts.get(pattern);
    if (known === undefined) {
      known = { count: 0, levels: noLevels() };
      this.#counts.set(pattern, known);
    }
    known.count++;
    known.levels[level]++;
    if (timeMs !== undefined) this.firstMs = Math.min(this.firstMs ?? timeMs, timeMs);
  }

  counts(engine: Pick<LogEngine, 'pattern'>): Map<string, { count: number; levels: LevelCounts }> {
    const byId = new Map<string, { count: number; levels: LevelCounts }>();
    for (const [index, { count, levels }] of this.#counts) {
      const { id } = engine.pattern(index);
      const known = byId.get(id);
      if (known === undefined) byId.set(id, { count, levels });
      else known.count += count;
    }
    return byId;
  }
}

/**
 * Patterns that came or went, or whose rate changed beyond chance, most telling first: by the likelihood ratio
 * (Dunning 1993) of one rate in both windows against two. Errors count double.
 */
export function changesOf(
  now: ReadonlyMap<string, PatternStats>,
  before: ReadonlyMap<string, { count: number; levels: LevelCounts }>,
  windows: { nowMs: number; beforeMs: number },
): Change[] {
  const found: { change: Change; score: number }[] = [];
  for (const id of new Set([...now.keys(), ...before.keys()])) {
    const a = now.get(id)?.count ?? 0;
    const b = before.get(id)?.count ?? 0;
    const share = windows.nowMs / (windows.nowMs + windows.beforeMs);
    const score = likelihoodRatio(a, b, share);
    const kind = kindOf(a, b, share, score);
    if (kind === undefined) continue;
    const level = mainLevel(now.get(id)?.levels ?? before.get(id)?.levels ?? noLevels());
    found.push({
      change: { change: kind, pattern: id, level, before: b, now: a },
      score: (score + 1) * (isError(level) ? 2 : 1),
    });
  }
  return found.sort((x, y) => y.score - x.score).map(({ change }) => change);
}

function kindOf(now: number, before: number, share: number, score: number): Change['change'] | undefined {
  if (before === 0) return 'new';
  if (now === 0) return (before * share) / (1 - share) >= MISSED ? 'gone' : undefined;
  if (score < SIGNIFICANT) return undefined;
  const ratio = now / share / (before / (1 - share));
  if (ratio >= FACTOR) return 'more';
  return ratio <= 1 / FACTOR ? 'fewer' : undefined;
}

function likelihoodRatio(now: number, before: number, share: number): number {
  const all = now + before;
  const part = (count: number, expected: number) => (count === 0 ? 0 : count * Math.log(count / expected));
  return 2 * (part(now, all * share) + part(before, all * (1 - share)));
}
