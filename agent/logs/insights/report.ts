import { isoTime } from '../../../base/clock.ts';
import type { AnalyzeLog } from '../../../protocol/log-tools.ts';
import type { LogEngine, LogPattern } from '../engine/types.ts';
import type { LogRequest } from '../request.ts';
import { type Baseline, changesOf } from './changes.ts';
import { findingsOf } from './findings.ts';
import { type LogStats, mainLevel, type PatternStats } from './log-stats.ts';
import { MASKED_VALUE, secretPlaces, shown } from './mask.ts';

const TEXT = 240;
const TEMPLATE = 200;
const FRAME = 160;
const VALUE = 60;
const BUCKETS = 60;
const PATTERNS = 40;
const FINDINGS = 16;
const ERRORS = 12;
const CHANGES = 15;
const LAST_LINES = 5;
const TOP_VALUES = 3;
const TOP_VALUES_OF_ONE = 10;

export type ReportBody = Omit<
  AnalyzeLog,
  | 'log_path'
  | 'size'
  | 'files'
  | 'whole'
  | 'limited_by'
  | 'line_numbers'
  | 'lines_read'
  | 'next_cursor'
  | 'masked'
>;

type Ranked = [id: string, stats: PatternStats];

/** Makes the answer of what was counted. `firstLine`: what the first line that was read is called. */
export function reportOf(options: {
  request: LogRequest;
  engine: LogEngine;
  stats: LogStats;
  baseline: Baseline;
  firstLine: number;
}): ReportBody {
  const { request, engine, stats, firstLine } = options;
  const byId = stats.patterns(engine);
  const known = new Map(engine.patterns().map((pattern) => [pattern.id, pattern]));
  const ranked = [...byId].sort(
    ([a, x], [b, y]) => y.count - x.count || x.firstEvent - y.firstEvent || (a < b ? -1 : 1),
  );
  const one = request.pattern === undefined ? undefined : byId.get(request.pattern);
  const chosen: Ranked[] =
    request.pattern !== undefined
      ? ranked.filter(([id]) => id === request.pattern)
      : ranked.slice(request.skip, request.skip + PATTERNS);
  const format = engine.format();
  // A later page and a single pattern repeat nothing of the first answer.
  const isFirst = request.skip === 0 && request.pattern === undefined;
  const errors = stats.errors(engine).filter(({ pattern }) => isFirst || pattern === request.pattern);
  const compared = request.compareToMs !== undefined;
  return {
    format: format.name,
    fields: format.fields
      .map(({ kind, name }) => name ?? kind)
      .slice(0, 12)
      .map((name) => shown(name, 40)),
    lines_analyzed: stats.lineCount,
    continuation_lines: stats.lineCount - stats.events,
    levels: { ...stats.levels },
    levels_guessed: stats.guessed,
    ...(stats.firstMs === undefined ? {} : { first_time: isoTime(stats.firstMs) }),
    ...(stats.lastMs === undefined ? {} : { last_time: isoTime(stats.lastMs) }),
    ...(stats.firstMs !== undefined && format.yearInferred ? { year_inferred: true } : {}),
    ...(stats.firstMs !== undefined && format.zoneInferred ? { zone_inferred: true } : {}),
    ...histogramOf(stats, one),
    findings: isFirst ? findingsOf(stats, byId, { compared }).slice(0, FINDINGS) : [],
    errors: errors.slice(0, ERRORS).map((group) => ({
      pattern: group.pattern,
      count: group.count,
      level: group.level,
      line: group.line + firstLine - 1,
      ...(group.firstMs === undefined ? {} : { time: isoTime(group.firstMs) }),
      ...(group.lastMs === undefined || group.count === 1 ? {} : { last_time: isoTime(group.lastMs) }),
      text: shown(group.text, TEXT),
      ...(group.stack.length === 0 ? {} : { stack: group.stack.map((frame) => shown(frame, FRAME)) }),
    })),
    ...restOfErrors(errors.slice(ERRORS)),
    ...(compared ? comparison(options, byId, known) : {}),
    patterns: chosen.map((entry) =>
      patternOf(entry, known.get(entry[0]), stats.events, firstLine, one !== undefined),
    ),
    ...restOfPatterns(stats, chosen, byId.size),
    last_lines: isFirst ? stats.lastLines.slice(-LAST_LINES).map((line) => shown(line, TEXT)) : [],
  };
}

const restOfErrors = (rest: readonly { count: number }[]): Pick<ReportBody, 'other_errors'> =>
  rest.length === 0
    ? {}
    : { other_errors: { groups: rest.length, count: rest.reduce((sum, { count }) => sum + count, 0) } };

function restOfPatterns(
  stats: LogStats,
  chosen: readonly Ranked[],
  patterns: number,
): Pick<ReportBody, 'other_patterns'> {
  const rest = patterns - chosen.length;
  const count = stats.events - chosen.reduce((sum, [, one]) => sum + one.count, 0);
  return rest === 0 ? {} : { other_patterns: { patterns: rest, count } };
}

function histogramOf(stats: LogStats, one: PatternStats | undefined): Pick<ReportBody, 'histogram'> {
  const { firstMs, lastMs, grid } = stats;
  if (firstMs === undefined || lastMs === undefined) return {};
  const width = grid.widthFor(firstMs, lastMs, BUCKETS);
  const dense = (series: Parameters<typeof grid.dense>[0]) => grid.dense(series, firstMs, lastMs, width);
  return {
    histogram: {
      start: isoTime(Math.floor(firstMs / width) * width),
      bucket_s: width / 1000,
      lines: dense(one?.series ?? stats.lines),
      errors: one === undefined ? dense(stats.errorLines) : [],
      untimed: stats.untimedLines,
    },
  };
}

function patternOf(
  [id, stats]: Ranked,
  pattern: LogPattern | undefined,
  events: number,
  firstLine: number,
  alone: boolean,
): AnalyzeLog['patterns'][number] {
  const examples = [...stats.first, ...stats.last];
  const all = pattern?.parameters ?? [];
  const secret = secretPlaces(pattern?.template ?? '', all.length);
  const parameters = all.map(({ type, distinct, more, top }, place) => ({
    type,
    distinct,
    ...(more ? { more } : {}),
    top: top
      .slice(0, alone ? TOP_VALUES_OF_ONE : TOP_VALUES)
      .map(({ value, count }): [string, number] => [
        secret[place] ? MASKED_VALUE : shown(value, VALUE),
        count,
      ]),
  }));
  return {
    id,
    count: stats.count,
    share: Math.round((stats.count / events) * 10_000) / 10_000,
    level: mainLevel(stats.levels),
    template: shown(pattern?.template ?? '<*>', TEMPLATE),
    ...(stats.firstMs === undefined ? {} : { first_time: isoTime(stats.firstMs) }),
    ...(stats.lastMs === undefined ? {} : { last_time: isoTime(stats.lastMs) }),
    at_lines: examples.map(({ line }) => line + firstLine - 1),
    example: shown(stats.first[0]?.text ?? '', TEXT),
    ...(alone && examples.length > 1
      ? { more_examples: examples.slice(1).map(({ text }) => shown(text, TEXT)) }
      : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
  };
}

function comparison(
  { request, engine, stats, baseline }: Parameters<typeof reportOf>[0],
  byId: ReadonlyMap<string, PatternStats>,
  known: ReadonlyMap<string, LogPattern>,
): Pick<ReportBody, 'changes' | 'other_changes' | 'windows' | 'lines_compared'> {
  const { sinceMs = 0, compareToMs = 0, untilMs, nowMs } = request;
  // A log that ends long before now is an old one; a short silence at the end belongs to the window.
  const last = stats.lastMs ?? nowMs;
  const end = untilMs ?? (nowMs - last < last - sinceMs ? nowMs : last);
  const windows = {
    nowMs: Math.max(1000, end - sinceMs),
    // The log may begin later than the window.
    beforeMs: Math.max(1000, sinceMs - Math.max(compareToMs, baseline.firstMs ?? compareToMs)),
  };
  const changes = changesOf(byId, baseline.counts(engine), windows);
  return {
    lines_compared: baseline.lines,
    windows: { before_s: windows.beforeMs / 1000, now_s: windows.nowMs / 1000 },
    changes: changes.slice(0, CHANGES).map((change) => ({
      ...change,
      template: shown(known.get(change.pattern)?.template ?? '<*>', TEMPLATE),
    })),
    ...(changes.length > CHANGES ? { other_changes: changes.length - CHANGES } : {}),
  };
}
