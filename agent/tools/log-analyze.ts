import type { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import { type AnalyzeLog, analyzeLogArgumentsSchema, analyzeLogSchema } from '../../protocol/log-tools.ts';
import type { ProtectedPaths } from '../files/access.ts';
import { type ByteSource, fileSource } from '../files/byte-source.ts';
import { fileError } from '../files/file-error.ts';
import { eachLine, lastLines } from '../files/lines.ts';
import { openFile } from '../files/open-for-read.ts';
import { LogSummary } from '../logs/summary.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

export interface LogToolOptions {
  enabled: boolean;
  maxLines: number;
  protectedPaths: ProtectedPaths;
}

/** Of a longer line this much is looked at. */
const MAX_LINE = 4096;

type Arguments = z.output<typeof analyzeLogArgumentsSchema>;

/** What the end of a log says, in short. */
export function analyzeLogTool(
  options: LogToolOptions,
): Tool<typeof analyzeLogArgumentsSchema, typeof analyzeLogSchema> {
  return {
    name: 'analyze_log_file',
    group: 'logs',
    title: 'Analyze a log file',
    description:
      'Sums up the last lines of a log: levels, time range, most frequent messages, latest errors. Knows syslog, JSON, access logs and plain text.',
    input: analyzeLogArgumentsSchema,
    output: analyzeLogSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 60,
    run: (context, args) => analyze(options, context, args),
  };
}

async function analyze(options: LogToolOptions, context: ToolContext, args: Arguments): Promise<ToolEnd> {
  const { signal, access, clock } = context;
  const lines = Math.min(args.lines, options.maxLines);
  await using file = await openFile(args.log_path, { access, protectedPaths: options.protectedPaths });
  const summary = new LogSummary(clock.now());
  try {
    const source = await fileSource(file.handle, file.stats.size);
    await refuseCompressed(source, file.path);
    const start = await lastLines(source, lines, signal);
    const span = { from: start.at, to: source.size, maxLine: MAX_LINE };
    await eachLine(source, span, signal, (line) => {
      summary.add(line.toString('utf8'));
      return undefined;
    });
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw fileError(cause, file.path, 'read');
  }
  const structured: AnalyzeLog = {
    log_path: file.path,
    size: file.stats.size,
    ...summary.result(),
    ...(lines < args.lines ? { limited_by: 'max_lines' } : {}),
  };
  return { kind: 'value', structured, text: textOf(structured) };
}

async function refuseCompressed(source: ByteSource, path: string): Promise<void> {
  const head = (await source.read(0, 4)).toString('hex');
  const kind = head.startsWith('1f8b')
    ? 'gzip'
    : head === '28b52ffd'
      ? 'zstd'
      : head.startsWith('fd377a58')
        ? 'xz'
        : '';
  if (kind !== '')
    throw new AppError('bad_request', {
      detail: `${path} is compressed (${kind}).`,
      hint: `Unpack it first, for example with zcat ${path} > /tmp/log, and analyze that.`,
    });
}

function textOf(log: AnalyzeLog): string {
  const levels = Object.entries(log.levels).filter(([, count]) => count > 0);
  const range = log.first_time === undefined ? '' : `, ${log.first_time} to ${log.last_time}`;
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${title}:`, ...lines];
  return [
    `${log.log_path}: last ${log.lines_analyzed} lines (${log.format})${range}`,
    `Levels: ${levels.map(([name, count]) => `${name} ${count}`).join(', ') || 'none'}`,
    ...section(
      'Most frequent',
      log.templates.map(({ count, level, template }) => `${count} × [${level}] ${template}`),
    ),
    ...(log.other_templates === undefined ? [] : [`and ${log.other_templates} more kinds of message`]),
    ...section(
      'Latest errors',
      log.errors.map(({ text }) => text),
    ),
    ...section('Last lines', log.last_lines),
    ...(log.limited_by === undefined ? [] : ['[fewer lines than asked for: tools.log_analyzer.max_lines]']),
  ].join('\n');
}
