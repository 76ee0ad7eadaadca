import { isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AnalyzeLog, AnalyzeLogArguments } from '../../protocol/log-tools.ts';
import type { ReadRules } from '../files/open-for-read.ts';
import { createLogEngine } from './engine/engine.ts';
import type { LogEvent } from './engine/types.ts';
import { Baseline } from './insights/changes.ts';
import { fitAnswer } from './insights/fit.ts';
import { LogStats } from './insights/log-stats.ts';
import { countMarks } from './insights/mask.ts';
import { reportOf } from './insights/report.ts';
import { textOf } from './insights/text.ts';
import { createFilter, formatCursor, type LogRequest, parseRequest } from './request.ts';
import { openFileSet } from './sources/file-set.ts';
import { JOURNAL_PREFIX, openJournal } from './sources/journal.ts';
import type { LogSource, ReadReport } from './sources/source.ts';

/** What an analysis is, as plain data, so that it can be handed to a thread. */
export interface AnalysisOrder {
  args: AnalyzeLogArguments;
  rules: ReadRules;
  maxLines: number;
  /** journalctl, or where it is. */
  journalctl: string;
  nowMs: number;
}

export interface Analysis {
  structured: AnalyzeLog;
  text: string;
}

const REPORT_EVERY_LINES = 50_000;

/**
 * Reads a log and says what it says. Takes the thread for itself while it counts; other code has its turn between
 * two pieces of the file. @throws AppErrors, and the signal's reason.
 */
export async function analyzeLog(
  order: AnalysisOrder,
  signal: AbortSignal,
  onProgress: (lines: number) => void = () => undefined,
): Promise<Analysis> {
  const request = parseRequest(order.args, order.nowMs);
  const filter = createFilter(request);
  const toUtcMs = localToUtc();
  const isJournal = request.logPath.startsWith(JOURNAL_PREFIX);
  const stats = new LogStats();
  const baseline = new Baseline();
  let earliestMs: number | undefined;
  const engine = createLogEngine({
    nowMs: request.nowMs,
    toUtcMs,
    onEvent(event) {
      if (event.timeMs !== undefined) earliestMs = Math.min(earliestMs ?? event.timeMs, event.timeMs);
      const verdict = filter(event);
      if (verdict === 'now') stats.add(isJournal ? readable(event) : event);
      else if (verdict === 'before') baseline.add(event);
    },
  });
  await using source = await openSource(order, request, toUtcMs, signal);
  let linesRead = 0;
  const report = await source.read((line) => {
    linesRead++;
    engine.push(line);
    if (linesRead % REPORT_EVERY_LINES === 0) onProgress(linesRead);
  });
  engine.end();
  const body = reportOf({ request, engine, stats, baseline, firstLine: report.firstLine ?? 1 });
  if (request.pattern !== undefined && body.patterns.length === 0)
    throw new AppError('not_found', {
      detail: `None of the lines read is of the pattern ${request.pattern}.`,
      hint: 'Give the same arguments as in the call that named it.',
    });
  const structured = fitAnswer({
    ...headOf(report, request, order.maxLines, earliestMs),
    lines_read: linesRead,
    ...body,
    next_cursor: formatCursor(request, request.skip, report.anchor),
    masked: {},
  });
  setCursor(structured, request, report);
  structured.masked = countMarks(structured);
  return { structured, text: textOf(structured) };
}

/** An entry of the journal as journalctl shows it. */
function readable(event: LogEvent): LogEvent {
  const { timeMs, process = '', pid, message } = event;
  const time = timeMs === undefined ? '' : `${isoTime(timeMs)} `;
  return { ...event, text: `${time}${process}${pid === undefined ? '' : `[${pid}]`}: ${message}` };
}

function openSource(
  { rules, maxLines, journalctl }: AnalysisOrder,
  request: LogRequest,
  toUtcMs: (wallMs: number) => number,
  signal: AbortSignal,
): LogSource | Promise<LogSource> {
  const { logPath, sinceMs, untilMs, compareToMs, nowMs } = request;
  const wanted = {
    lines: Math.min(request.lines ?? maxLines, maxLines),
    sinceMs: compareToMs ?? sinceMs,
    untilMs,
  };
  if (logPath.startsWith(JOURNAL_PREFIX))
    return openJournal({
      program: journalctl,
      unit: logPath.slice(JOURNAL_PREFIX.length),
      wanted,
      readRoots: rules.access.read,
      signal,
    });
  const { rotated, anchor } = request;
  return openFileSet({ path: logPath, rules, wanted, rotated, times: { nowMs, toUtcMs }, signal, anchor });
}

function headOf(
  report: ReadReport,
  request: LogRequest,
  maxLines: number,
  earliestMs: number | undefined,
): Pick<AnalyzeLog, 'log_path' | 'size' | 'files' | 'whole' | 'limited_by' | 'line_numbers'> {
  const { files, more } = report;
  // Lines before the window were seen: nothing of the window is missing.
  const from = request.compareToMs ?? request.sinceMs;
  const covered = from !== undefined && earliestMs !== undefined && earliestMs < from;
  const asked = request.lines ?? Number.POSITIVE_INFINITY;
  const limit = report.cutBySize ? 'size' : asked > maxLines ? 'max_lines' : undefined;
  const plain = files.length === 1 && files[0]?.compression === undefined && files[0]?.damaged !== true;
  return {
    log_path: report.logPath,
    size: report.size,
    ...(files.length === 0 || plain ? {} : { files }),
    whole: !more || covered,
    ...(more && !covered && limit !== undefined ? { limited_by: limit } : {}),
    line_numbers: report.firstLine === undefined ? 'read' : 'file',
  };
}

/** Where the next patterns are; none after the last one. */
function setCursor(log: AnalyzeLog, request: LogRequest, report: ReadReport): void {
  const shown = request.skip + log.patterns.length;
  const left = (log.other_patterns?.patterns ?? 0) - request.skip;
  if (request.pattern === undefined && left > 0 && log.patterns.length > 0)
    log.next_cursor = formatCursor(request, shown, report.anchor);
  else delete log.next_cursor;
}

/** Times without a zone are this machine's. Differences to UTC change at quarters of an hour at most. */
function localToUtc(): (wallMs: number) => number {
  let known = Number.NaN;
  let difference = 0;
  return (wallMs) => {
    const quarter = Math.floor(wallMs / 900_000);
    if (quarter !== known) {
      known = quarter;
      const wall = new Date(wallMs);
      const local = new Date(
        wall.getUTCFullYear(),
        wall.getUTCMonth(),
        wall.getUTCDate(),
        wall.getUTCHours(),
        wall.getUTCMinutes(),
      );
      difference = local.getTime() - Math.floor(wallMs / 60_000) * 60_000;
    }
    return wallMs + difference;
  };
}
