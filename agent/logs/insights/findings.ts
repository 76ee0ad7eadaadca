import { isoTime } from '../../../base/clock.ts';
import type { AnalyzeLog } from '../../../protocol/log-tools.ts';
import { isError, LEVELS, type LogStats, mainLevel, type PatternStats } from './log-stats.ts';
import { findPeaks, groupPeaks, MIN_BUCKETS, type Peak } from './peaks.ts';

export type Finding = AnalyzeLog['findings'][number];

const BUCKETS = 240;
/** Before so many events nothing is new, rare or usual. */
const MIN_EVENTS = 100;
/** What is first seen in the last part of the log is new. */
const NEW_SHARE = 0.2;
const MAX_OF_KIND = 5;
const RARE = 3;
/** A pause so many times the mean distance of two events… */
const SILENCE_TIMES = 30;
/** …that takes so much of the whole time. */
const SILENCE_SHARE = 0.02;
const MIN_SILENCE_MS = 30_000;
/** Patterns that come so regularly are missed when they stop. */
const MIN_REGULAR = 20;
const REGULAR_SHARE = 0.8;
const STOPPED_TIMES = 10;
/** Whoever was there for less of the time was no regular guest. */
const REGULAR_SPAN = 0.25;

interface Named {
  id: string;
  stats: PatternStats;
}

/** What stands out, most telling first. `compared`: another window says what is new. */
export function findingsOf(
  stats: LogStats,
  patterns: ReadonlyMap<string, PatternStats>,
  options: { compared: boolean },
): Finding[] {
  const named = [...patterns].map(([id, one]) => ({ id, stats: one }));
  const fresh = options.compared ? [] : newPatterns(stats, named);
  const known = new Set(fresh.flatMap(({ patterns: ids = [] }) => ids));
  const rare = rareErrors(
    stats,
    named.filter(({ id }) => !known.has(id)),
  );
  const isSevere = ({ patterns: ids = [] }: Finding) =>
    ids.some((id) => isError(mainLevel(patterns.get(id)?.levels ?? stats.levels)));
  return [
    ...fresh.filter(isSevere),
    ...peaksOf(stats, named),
    ...stopped(stats, named),
    ...silences(stats),
    ...rare,
    ...fresh.filter((one) => !isSevere(one)),
  ];
}

const severity = ({ stats }: Named): number => LEVELS.indexOf(mainLevel(stats.levels));
const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);
const span = (fromMs: number, toMs: number) => ({ at: isoTime(fromMs), until: isoTime(toMs) });

function newPatterns(stats: LogStats, named: readonly Named[]): Finding[] {
  if (stats.events < MIN_EVENTS) return [];
  const from = stats.events * (1 - NEW_SHARE);
  return named
    .filter(({ stats: { firstEvent } }) => firstEvent >= from)
    .sort((a, b) => severity(a) - severity(b) || b.stats.count - a.stats.count)
    .slice(0, MAX_OF_KIND)
    .map(({ id, stats: one }) => ({
      kind: 'new' as const,
      text: `new ${mainLevel(one.levels)}: seen ${times(one.count)}, not in the first ${Math.floor((one.firstEvent / stats.events) * 100)} % of the log`,
      patterns: [id],
      ...(one.firstMs === undefined ? {} : { at: isoTime(one.firstMs) }),
    }));
}

function rareErrors(stats: LogStats, named: readonly Named[]): Finding[] {
  if (stats.events < MIN_EVENTS) return [];
  return named
    .filter(({ stats: one }) => one.count <= RARE && isError(mainLevel(one.levels)))
    .sort((a, b) => severity(a) - severity(b) || a.stats.count - b.stats.count)
    .slice(0, MAX_OF_KIND)
    .map(({ id, stats: one }) => ({
      kind: 'rare_error' as const,
      text: `rare ${mainLevel(one.levels)}: seen ${times(one.count)}`,
      patterns: [id],
      ...(one.firstMs === undefined ? {} : { at: isoTime(one.firstMs) }),
    }));
}

/** Bursts of one pattern, and spikes of several at once; of all lines together where no pattern explains it. */
function peaksOf(stats: LogStats, named: readonly Named[]): Finding[] {
  const { firstMs, lastMs, grid } = stats;
  if (firstMs === undefined || lastMs === undefined || stats.events < MIN_EVENTS) return [];
  const width = grid.widthFor(firstMs, lastMs, BUCKETS);
  const first = Math.floor(firstMs / width);
  const range = ({ from, to }: Peak) => span((first + from) * width, (first + to + 1) * width);
  const peaks = named
    .filter(({ stats: { count } }) => count >= MIN_REGULAR / 2)
    .flatMap((of) =>
      peaksWhileThere(grid.dense(of.stats.series, firstMs, lastMs, width))
        .slice(0, MAX_OF_KIND)
        .map((peak) => ({ of, peak })),
    );
  const seconds = width / 1000;
  const found = groupPeaks(peaks)
    .slice(0, MAX_OF_KIND)
    .flatMap((group): Finding[] => {
      const [top] = group;
      if (top === undefined) return [];
      const rate = `${top.peak.highest} in ${seconds} s, usual ${round(top.peak.usual)}`;
      if (group.length === 1)
        return [{ kind: 'burst', text: `burst: ${rate}`, patterns: [top.of.id], ...range(top.peak) }];
      const ids = group.map(({ of }) => of.id);
      return [
        {
          kind: 'spike',
          text: `${group.length} patterns rise together; the first: ${rate}`,
          patterns: ids.slice(0, 8),
          ...range(top.peak),
        },
      ];
    });
  if (found.length > 0) return found;
  return findPeaks(grid.dense(stats.lines, firstMs, lastMs, width))
    .slice(0, 2)
    .map((peak) => ({
      kind: 'burst' as const,
      text: `burst of lines: ${peak.highest} in ${seconds} s, usual ${round(peak.usual)}`,
      ...range(peak),
    }));
}

/** What is usual for a pattern is what is usual from its first event to its last, unless it came for a moment only. */
function peaksWhileThere(counts: readonly number[]): Peak[] {
  const first = counts.findIndex((count) => count > 0);
  const last = counts.findLastIndex((count) => count > 0);
  if (last - first < MIN_BUCKETS) return findPeaks(counts);
  return findPeaks(counts.slice(first, last + 1)).map((peak) => ({
    ...peak,
    from: peak.from + first,
    to: peak.to + first,
  }));
}

function silences(stats: LogStats): Finding[] {
  const { firstMs, lastMs, events, gaps } = stats;
  if (firstMs === undefined || lastMs === undefined || events < MIN_EVENTS) return [];
  const mean = (lastMs - firstMs) / (events - 1);
  const limit = Math.max(mean * SILENCE_TIMES, (lastMs - firstMs) * SILENCE_SHARE, MIN_SILENCE_MS);
  return gaps
    .filter(({ fromMs, toMs }) => toMs - fromMs >= limit)
    .slice(0, 3)
    .map(({ fromMs, toMs }) => ({
      kind: 'silence' as const,
      text: `silence of ${duration(toMs - fromMs)}; on average a line comes every ${duration(mean)}`,
      ...span(fromMs, toMs),
    }));
}

/** Patterns that came regularly, and then no more while the log went on. */
function stopped(stats: LogStats, named: readonly Named[]): Finding[] {
  const { firstMs, lastMs, grid } = stats;
  if (firstMs === undefined || lastMs === undefined) return [];
  return named
    .flatMap(({ id, stats: one }) => {
      if (one.count < MIN_REGULAR || one.firstMs === undefined || one.lastMs === undefined) return [];
      const interval = (one.lastMs - one.firstMs) / (one.count - 1);
      const silent = lastMs - one.lastMs;
      const width = grid.widthFor(one.firstMs, one.lastMs, Math.max(4, Math.floor(one.count / 3)));
      const counts = grid.dense(one.series, one.firstMs, one.lastMs, width);
      const filled = counts.filter((count) => count > 0).length / counts.length;
      const isGuest = one.lastMs - one.firstMs >= (lastMs - firstMs) * REGULAR_SPAN;
      const missed = isGuest && silent >= Math.max(STOPPED_TIMES * interval, 3 * width) && interval > 0;
      if (!missed || counts.length < 4 || filled < REGULAR_SHARE) return [];
      return [{ id, one, interval, silent, lastAt: one.lastMs }];
    })
    .sort((a, b) => b.silent / b.interval - a.silent / a.interval)
    .slice(0, 3)
    .map(({ id, interval, silent, lastAt }) => ({
      kind: 'stopped' as const,
      text: `came every ${duration(interval)}, and not in the last ${duration(silent)}`,
      patterns: [id],
      at: isoTime(lastAt),
    }));
}

const round = (value: number): string => String(Math.round(value * 10) / 10);

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 120) return `${round(seconds)} s`;
  if (seconds < 7200) return `${round(seconds / 60)} min`;
  return seconds < 172_800 ? `${round(seconds / 3600)} h` : `${round(seconds / 86_400)} d`;
}
