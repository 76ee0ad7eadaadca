import { type Command, InvalidArgumentError } from 'commander';
import type { AnalyzeLogInput } from '../protocol/log-tools.ts';
import { type CliContext, EXIT, withHome } from './context.ts';

interface Flags {
  home?: string;
  lines?: number;
  analyze?: boolean;
  raw?: boolean;
  json?: boolean;
  follow?: boolean;
  since?: string;
  until?: string;
  compareTo?: string;
  level?: NonNullable<AnalyzeLogInput['level']>;
  grep?: string;
  pattern?: string;
  rotated: boolean;
  local?: boolean;
}

const HELP = `
On a terminal it prints a report; into a pipe or a file the lines as they are, unless a filter, --analyze or --json asks
for the report. .gz, .zst and .xz are unpacked, and the older files of a rotated log are read as far as lines are wanted.
Times are RFC 3339 (2026-01-31T12:00:00Z) or ages (15m, 2h, 7d). Secrets and personal data are masked in reports.

  vm-agent logs /var/log/syslog --lines 1000
  vm-agent logs journal:nginx.service --since 1h --compare-to 2h
  vm-agent logs app.log --lines 0 --level error --grep '(?i)timeout'

The running agent reads, within its policy. Where this machine has none, or you may not use it, this command reads by
itself, with your rights; --local does so in any case.
`;

const LEVELS = ['fatal', 'error', 'warning', 'info', 'debug'] as const;

const count = (text: string): number => {
  const value = Number(text);
  if (!/^\d{1,8}$/.test(text) || value > 10_000_000)
    throw new InvalidArgumentError('It must be a whole number up to 10000000; 0 stands for all.');
  return value;
};

const level = (text: string): (typeof LEVELS)[number] => {
  const found = LEVELS.find((one) => one === text.toLowerCase());
  if (found === undefined) throw new InvalidArgumentError(`It must be one of ${LEVELS.join(', ')}.`);
  return found;
};

export function addLogs(program: Command, ctx: CliContext): void {
  withHome(program.command('logs'))
    .description('say what a log holds, or print its last lines')
    .argument('<log>', 'path of a log, or journal:UNIT')
    .option('--lines <n>', 'how many of its last lines, 0 for all (default: 100, with a filter all)', count)
    .option('--since <time>', 'only what is not older')
    .option('--until <time>', 'only what is not newer')
    .option('--compare-to <time>', 'what changed against the window from here to --since')
    .option('--level <level>', 'only what is at least as severe', level)
    .option('--grep <expression>', 'only what matches (RE2)')
    .option('--pattern <id>', 'more about one pattern of a report')
    .option('--no-rotated', 'without the older files of a rotated log')
    .option('--analyze', 'the report, also where there is no terminal')
    .option('--raw', 'the lines as they are, also on a terminal')
    .option('--follow', 'and then each new line as it comes, until Ctrl-C')
    .option('--json', 'the report as JSON')
    .option('--local', 'read in this process, with your own rights')
    .addHelpText('after', HELP)
    .action(async (log: string, flags: Flags) => {
      ctx.process.exitCode = await logs(log, flags, ctx);
    });
}

async function logs(log: string, flags: Flags, ctx: CliContext): Promise<number> {
  const { resolve } = await import('node:path');
  const { AppError } = await import('../protocol/errors.ts');
  const { logReader } = await import('./log-report/reader.ts');
  const { stdout } = ctx.process;
  const unit = log.startsWith('journal:') ? log.slice('journal:'.length) : undefined;
  const path = unit === undefined ? resolve(ctx.process.cwd(), log) : log;
  const asked = requestOf(path, flags);
  const filters = Object.keys(asked).filter((name) => !['log_path', 'lines', 'rotated'].includes(name));
  if (flags.raw && (filters.length > 0 || flags.json || flags.analyze || unit !== undefined))
    throw new AppError('bad_request', {
      detail: '--raw prints the lines of a file as they are: no filter, report or unit goes with it.',
    });
  const raw =
    flags.raw ??
    (!stdout.isTTY &&
      !/\.(?:gz|zst|xz)$/.test(path) &&
      filters.length === 0 &&
      !flags.analyze &&
      !flags.json &&
      unit === undefined);
  // Whoever reads the output may have seen enough.
  stdout.on('error', (error: NodeJS.ErrnoException) =>
    ctx.process.exit(error.code === 'EPIPE' ? EXIT.ok : 1),
  );
  const reader = await logReader(flags, ctx);
  // What comes while the report is made is not missed.
  const from = flags.follow ? await reader.tailLog({ ...targetOf(path, unit), lines: 1 }) : undefined;
  if (raw) {
    const { printLines } = await import('./log-report/raw-lines.ts');
    await printLines(reader, path, flags.lines ?? 100, stdout);
  } else {
    const { printReport } = await import('./log-report/print.ts');
    const found = await reader.analyzeLog(asked);
    stdout.write(
      flags.json ? `${JSON.stringify(found, null, flags.follow ? 0 : 2)}\n` : await printReport(found, ctx),
    );
  }
  if (from === undefined) return EXIT.ok;
  const { followLog } = await import('./log-report/follow.ts');
  await followLog({
    reader,
    target: targetOf(path, unit),
    from,
    json: flags.json === true,
    grep: flags.grep,
    level: flags.level,
    raw,
    ctx,
  });
  return EXIT.ok;
}

const targetOf = (path: string, unit: string | undefined) =>
  unit === undefined ? { log_path: path } : { unit };

function requestOf(path: string, flags: Flags): AnalyzeLogInput {
  const { lines, since, until, compareTo, level: least, grep, pattern, rotated } = flags;
  return {
    log_path: path,
    ...(lines === undefined ? {} : { lines }),
    ...(rotated ? {} : { rotated }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(compareTo === undefined ? {} : { compare_to: compareTo }),
    ...(least === undefined ? {} : { level: least }),
    ...(grep === undefined ? {} : { grep }),
    ...(pattern === undefined ? {} : { pattern }),
  };
}
