import { levelsText, scopeOf, sparkline } from '../../agent/logs/insights/text.ts';
import type { AnalyzeLog, LogLevelName } from '../../protocol/log-tools.ts';
import { type Paint, paintFor } from '../../provision/progress.ts';
import type { CliContext } from '../context.ts';
import { table, visible } from '../table.ts';

const WIDTH = 100;
const MIN_WIDTH = 60;
const FRAMES = 6;

type Brush = (text: string) => string;

/** By how severe it is; what is usual is not painted. */
export function levelPaint(level: LogLevelName, paint: Paint): Brush {
  if (level === 'fatal' || level === 'error') return paint.red;
  if (level === 'warning') return paint.yellow;
  return level === 'debug' ? paint.dim : (text) => text;
}

/** The answer as a person reads it: colours on a terminal alone, and there no line is longer than it is wide. */
export async function printReport(log: AnalyzeLog, ctx: CliContext): Promise<string> {
  const { stdout, env } = ctx.process;
  const paint = paintFor(stdout, env);
  const width = stdout.isTTY ? Math.max(MIN_WIDTH, stdout.columns || WIDTH) : Number.POSITIVE_INFINITY;
  const sections = [
    factsOf(log, paint, Math.min(width, WIDTH) - 20),
    findingsOf(log, paint, width),
    changesOf(log, paint, width),
    errorsOf(log, paint, width),
    patternsOf(log, paint, width),
    lastLinesOf(log, paint, width),
  ];
  return sections.filter((text) => text !== '').join('\n');
}

const cut = (text: string, width: number): string => {
  const safe = visible(text);
  return safe.length > width ? `${safe.slice(0, width - 1)}…` : safe;
};

function factsOf(log: AnalyzeLog, paint: Paint, width: number): string {
  const assumed = [...(log.year_inferred ? ['year'] : []), ...(log.zone_inferred ? ['zone'] : [])];
  const note = assumed.length === 0 ? '' : paint.dim(` (${assumed.join(' and ')} not written, assumed)`);
  const masked = Object.entries(log.masked).map(([kind, count]) => `${count} ${kind}`);
  const { histogram } = log;
  const facts: [string, string][] = [
    ['lines', `${log.lines_analyzed} (${log.format}), ${scopeOf(log)}`],
    ...(log.files === undefined ? [] : [['files', log.files.map(fileText).join(', ')] as [string, string]]),
    ['levels', painted(log, paint)],
    ...(log.first_time === undefined
      ? []
      : [['time', `${log.first_time} to ${log.last_time ?? ''}${note}`] as [string, string]]),
    ...(histogram === undefined ? [] : bars(histogram, paint, width)),
    ...(masked.length === 0 ? [] : [['masked', masked.join(', ')] as [string, string]]),
  ];
  return facts.map(([name, value]) => `${paint.bold(name.padEnd(6))}  ${value}\n`).join('');
}

const fileText = (file: NonNullable<AnalyzeLog['files']>[number]): string =>
  `${visible(file.path)} (${file.lines}${file.damaged ? ', damaged' : ''})`;

function painted(log: AnalyzeLog, paint: Paint): string {
  if (log.levels_guessed > 0) return levelsText(log);
  const some = Object.entries(log.levels).filter(([, count]) => count > 0) as [LogLevelName, number][];
  return some.map(([level, count]) => levelPaint(level, paint)(`${level} ${count}`)).join(', ') || 'none';
}

function bars(
  histogram: NonNullable<AnalyzeLog['histogram']>,
  paint: Paint,
  width: number,
): [string, string][] {
  const { lines, errors, bucket_s: seconds } = histogram;
  const most = Math.max(...lines);
  const row = (counts: readonly number[]) => sparkline(counts, Math.max(10, Math.min(60, width)));
  return [
    ['rate', `${row(lines)}  ${paint.dim(`${most} lines in ${seconds} s at most`)}`],
    ...(errors.some((count) => count > 0)
      ? [
          [
            'errors',
            `${paint.red(row(errors))}  ${paint.dim(`${Math.max(...errors)} lines of errors at most`)}`,
          ] as [string, string],
        ]
      : []),
  ];
}

function findingsOf(log: AnalyzeLog, paint: Paint, width: number): string {
  if (log.findings.length === 0) return '';
  const templates = new Map(log.patterns.map(({ id, template }) => [id, template]));
  for (const { pattern, text } of log.errors) if (!templates.has(pattern)) templates.set(pattern, text);
  const rows = log.findings.flatMap(({ kind, text, at, patterns = [] }) => {
    const brush = kind === 'rare_error' || /\b(?:error|fatal)\b/.test(text) ? paint.red : paint.yellow;
    return [
      `${brush('●')} ${cut(`${at === undefined ? '' : `${at} `}${text}`, width - 2)}`,
      ...patterns
        .slice(0, 4)
        .map((id) => `    ${cut(`${id} ${templates.get(id) ?? ''}`.trimEnd(), width - 4)}`),
    ];
  });
  return `${paint.bold('FINDINGS')}\n${rows.join('\n')}\n`;
}

function changesOf(log: AnalyzeLog, paint: Paint, width: number): string {
  if (log.changes === undefined) return '';
  if (log.changes.length === 0) return `${paint.bold('CHANGES')}\nnone beyond chance\n`;
  const columns = [
    { title: 'CHANGE' },
    { title: 'BEFORE', right: true },
    { title: 'NOW', right: true },
    { title: 'LEVEL' },
    { title: 'PATTERN' },
  ];
  return table(
    columns,
    log.changes.map(({ change, before, now, level, template }) => [
      change,
      String(before),
      String(now),
      level,
      cut(template, width - 36),
    ]),
    paint.bold,
  );
}

function errorsOf(log: AnalyzeLog, paint: Paint, width: number): string {
  if (log.errors.length === 0) return '';
  const rows = log.errors.flatMap(({ count, level, line, text, stack = [] }) => [
    `${levelPaint(level, paint)(`${count} ×`)} ${cut(`line ${line}: ${text}`, width - 6)}`,
    ...stack.slice(0, FRAMES).map((frame) => paint.dim(`      ${cut(frame.trim(), width - 6)}`)),
  ]);
  const more =
    log.other_errors === undefined
      ? ''
      : `and ${log.other_errors.groups} more groups (${log.other_errors.count})\n`;
  return `${paint.bold('ERRORS')}\n${rows.join('\n')}\n${more}`;
}

function patternsOf(log: AnalyzeLog, paint: Paint, width: number): string {
  if (log.patterns.length === 0) return '';
  const columns = [
    { title: 'COUNT', right: true },
    { title: 'SHARE', right: true },
    { title: 'LEVEL' },
    { title: 'ID' },
    { title: 'MESSAGE' },
  ];
  const longest = Math.max(...log.patterns.map(({ id }) => id.length));
  const rows = log.patterns.map(({ count, share, level, id, template }) => [
    String(count),
    `${(share * 100).toFixed(1)}%`,
    level,
    id,
    cut(template, width - longest - 30),
  ]);
  const more = log.patterns.flatMap(({ more_examples: examples = [], parameters = [] }) => [
    ...examples.map((example) => `  ${cut(example, width - 2)}\n`),
    ...(examples.length === 0
      ? []
      : parameters.map(
          ({ type, top }) =>
            `  ${paint.dim(`<${type}>`)} ${cut(top.map(([value, count]) => `${value} (${count})`).join(', '), width - 12)}\n`,
        )),
  ]);
  const others = log.other_patterns;
  const note = others === undefined ? '' : `and ${others.patterns} more patterns (${others.count} events)\n`;
  return `${table(columns, rows, paint.bold)}${more.join('')}${note}`;
}

function lastLinesOf(log: AnalyzeLog, paint: Paint, width: number): string {
  if (log.last_lines.length === 0) return '';
  return `${paint.bold('LAST LINES')}\n${log.last_lines.map((line) => `${cut(line, width)}\n`).join('')}`;
}
