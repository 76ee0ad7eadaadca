import { parseDuration } from '../../protocol/duration.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AnalyzeLogArguments, LogLevelName } from '../../protocol/log-tools.ts';
import type { LogEvent } from './engine/types.ts';
import { compileGrep } from './grep.ts';
import { LEVELS } from './insights/log-stats.ts';

const DEFAULT_LINES = 100;

/** What is asked for, with every time fixed. */
export interface LogRequest {
  logPath: string;
  /** Undefined: as many as this VM analyzes. */
  lines: number | undefined;
  rotated: boolean;
  sinceMs: number | undefined;
  untilMs: number | undefined;
  compareToMs: number | undefined;
  level: LogLevelName | undefined;
  grep: string | undefined;
  pattern: string | undefined;
  /** Patterns that earlier answers have shown. */
  skip: number;
  /** What ages count from: the time of the first of several answers that belong together. */
  nowMs: number;
  anchor: string | undefined;
}

/** @throws AppError `bad_request`. */
export function parseRequest(args: AnalyzeLogArguments, nowMs: number): LogRequest {
  const cursor = args.cursor === undefined ? undefined : parseCursor(args.cursor);
  const now = cursor?.nowMs ?? nowMs;
  const sinceMs = momentOf('since', args.since, now);
  const untilMs = momentOf('until', args.until, now);
  const compareToMs = momentOf('compare_to', args.compare_to, now);
  if (compareToMs !== undefined && sinceMs === undefined)
    throw new AppError('bad_request', {
      detail: 'compare_to needs since: the window from compare_to to since is compared with what came since.',
      hint: 'For the last hour against the one before: since 1h, compare_to 2h.',
    });
  if (compareToMs !== undefined && sinceMs !== undefined && compareToMs >= sinceMs)
    throw new AppError('bad_request', { detail: 'compare_to must be earlier than since.' });
  if (sinceMs !== undefined && untilMs !== undefined && untilMs < sinceMs)
    throw new AppError('bad_request', { detail: 'until must not be earlier than since.' });
  const filtered =
    sinceMs !== undefined || untilMs !== undefined || args.level !== undefined || args.grep !== undefined;
  const lines = args.lines ?? (filtered ? 0 : DEFAULT_LINES);
  return {
    logPath: args.log_path,
    lines: lines === 0 ? undefined : lines,
    rotated: args.rotated,
    sinceMs,
    untilMs,
    compareToMs,
    level: args.level,
    grep: args.grep,
    pattern: args.pattern,
    skip: cursor?.skip ?? 0,
    nowMs: now,
    anchor: cursor?.anchor,
  };
}

/** An age (`2h`), or a time of RFC 3339; without a zone it is this machine's. */
function momentOf(name: string, text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const age = parseDuration(text);
  if (age !== undefined && /[a-z]$/.test(text.trim())) return nowMs - age * 1000;
  const iso = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/i;
  const ms = iso.test(text)
    ? // A date alone would be UTC by itself.
      Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T').replace(',', '.'))
    : Number.NaN;
  if (Number.isNaN(ms))
    throw new AppError('bad_request', {
      detail: `${name} "${text}" is neither a time nor an age.`,
      hint: 'Write 2026-01-31T12:00:00Z, or 15m, 2h, 7d.',
    });
  return ms;
}

export function formatCursor(request: LogRequest, skip: number, anchor: string | undefined): string {
  return `${skip}-${request.nowMs}${anchor === undefined ? '' : `-${anchor}`}`;
}

function parseCursor(text: string): { skip: number; nowMs: number; anchor: string | undefined } {
  const match = /^(\d{1,7})-(\d{1,15})(?:-([\d.]{1,40}))?$/.exec(text);
  if (match === null)
    throw new AppError('bad_request', { detail: 'The cursor is not one that analyze_log_file gave.' });
  return { skip: Number(match[1]), nowMs: Number(match[2]), anchor: match[3] };
}

export type Verdict = 'now' | 'before' | 'out';

/** Sorts events into the window, the one before it, and the rest. Linear in the text, whatever the pattern is. */
export function createFilter(request: LogRequest): (event: LogEvent) => Verdict {
  const { sinceMs, untilMs, compareToMs, level } = request;
  const found = request.grep === undefined ? undefined : compileGrep(request.grep);
  const severe = level === undefined ? undefined : new Set(LEVELS.slice(0, LEVELS.indexOf(level) + 1));
  const windowOf = (ms: number): Verdict => {
    if (untilMs !== undefined && ms > untilMs) return 'out';
    if (sinceMs === undefined || ms >= sinceMs) return 'now';
    return compareToMs !== undefined && ms >= compareToMs ? 'before' : 'out';
  };
  // An event without a time happened when the one before it did.
  let latest: Verdict = sinceMs === undefined ? 'now' : 'out';
  return (event) => {
    if (event.timeMs !== undefined) latest = windowOf(event.timeMs);
    if (latest === 'out') return 'out';
    if (severe !== undefined && !severe.has(event.level)) return 'out';
    if (found !== undefined && !found(event.text) && !event.continuation.some(found)) return 'out';
    return latest;
  };
}
