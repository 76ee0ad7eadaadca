/** What the log view shows of an answer of analyze_log_file. Pure; the component only draws it. */
import type { AnalyzeLog, LogLevelName } from '../../../protocol/log-tools.ts';
import { formatDuration } from './format.ts';

/** A span to filter by, as the tool takes it: both ends are within. */
export interface LogRange {
  since: string;
  until: string;
}

export interface Bucket extends LogRange {
  lines: number;
  errors: number;
  /** Of the highest bucket, 0 to 1. */
  height: number;
  errorHeight: number;
  label: string;
}

const LEVELS: readonly LogLevelName[] = ['fatal', 'error', 'warning', 'info', 'debug', 'unknown'];

/** `2026-01-31 12:00:05`, without what all of them have in common. */
export const clockTime = (iso: string): string => iso.slice(0, 19).replace('T', ' ');

export function bucketsOf({ histogram }: Pick<AnalyzeLog, 'histogram'>): Bucket[] {
  if (histogram === undefined) return [];
  const { lines, errors, bucket_s: seconds } = histogram;
  const start = Date.parse(histogram.start);
  const highest = Math.max(1, ...lines);
  return lines.map((count, index) => {
    const since = new Date(start + index * seconds * 1000).toISOString();
    // The next bucket begins a millisecond later.
    const until = new Date(start + (index + 1) * seconds * 1000 - 1).toISOString();
    const bad = errors[index] ?? 0;
    return {
      since,
      until,
      lines: count,
      errors: bad,
      height: count / highest,
      errorHeight: Math.min(count, bad) / highest,
      label: `${clockTime(since)}, ${formatDuration(seconds * 1000)}: ${count} lines${bad === 0 ? '' : `, ${bad} of errors`}`,
    };
  });
}

/** Levels that occur, most severe first, with their share of the messages. */
export function levelShares(
  levels: AnalyzeLog['levels'],
): { level: LogLevelName; count: number; share: number }[] {
  const all = LEVELS.reduce((sum, level) => sum + (levels[level] ?? 0), 0);
  return LEVELS.map((level) => ({ level, count: levels[level] ?? 0 }))
    .filter(({ count }) => count > 0)
    .map(({ level, count }) => ({ level, count, share: count / all }));
}

export type LevelTone = 'bad' | 'warn' | 'off' | 'plain';

export function levelTone(level: LogLevelName): LevelTone {
  if (level === 'fatal' || level === 'error') return 'bad';
  if (level === 'warning') return 'warn';
  return level === 'debug' || level === 'unknown' ? 'off' : 'plain';
}

/** A template as pieces: text, and what stands for what varies. */
export function templateParts(template: string): { text: string; varies: boolean }[] {
  return template
    .split(/(<(?:num|ip|path|uuid|hex|duration|\*)>)/)
    .filter((text) => text !== '')
    .map((text) => ({ text, varies: /^<[a-z*]+>$/.test(text) }));
}

/** What the lines are that the report is about. */
export function scopeText(report: AnalyzeLog): string {
  const number = (count: number) => count.toLocaleString('en');
  const isFiltered = report.lines_analyzed !== report.lines_read;
  const read = report.whole
    ? `${isFiltered ? '' : 'all '}${number(report.lines_read)} lines${isFiltered ? ' read' : ''}`
    : `the last ${number(report.lines_read)} lines`;
  const kept = isFiltered ? `, ${number(report.lines_analyzed)} after the filters` : '';
  const limit =
    report.limited_by === undefined
      ? ''
      : report.limited_by === 'max_lines'
        ? '; this machine analyzes no more at once'
        : '; no more bytes are read at once';
  return `${read}${kept}${limit}`;
}

/** How the pattern that an id names reads, wherever the report says it. */
export function patternNames(report: AnalyzeLog): ReadonlyMap<string, string> {
  const names = new Map(report.patterns.map(({ id, template }) => [id, template]));
  for (const { pattern, template } of report.changes ?? [])
    if (!names.has(pattern)) names.set(pattern, template);
  for (const { pattern, text } of report.errors) if (!names.has(pattern)) names.set(pattern, text);
  return names;
}
