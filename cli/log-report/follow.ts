import { compileGrep } from '../../agent/logs/grep.ts';
import type { LogLevelName, TailLog } from '../../protocol/log-tools.ts';
import { paintFor } from '../../provision/progress.ts';
import type { CliContext } from '../context.ts';
import { visible } from '../table.ts';
import { levelPaint } from './print.ts';
import type { LogReader } from './reader.ts';

const WAIT_MS = 25_000;

/** Words that programs mark severe lines with; colours need no more. */
const LEVEL_WORDS: readonly [LogLevelName, RegExp][] = [
  [
    'error',
    /\b(?:EMERG|ALERT|CRIT(?:ICAL)?|FATAL|PANIC|ERR(?:OR)?|SEVERE)\b|\blevel"?[=:]\s?"?(?:err|crit|fatal|panic)/i,
  ],
  ['warning', /\bWARN(?:ING)?\b/i],
  ['debug', /\b(?:DEBUG|TRACE|VERBOSE)\b/],
];

const levelOf = (line: string): LogLevelName =>
  LEVEL_WORDS.find(([, words]) => words.test(line.slice(0, 200)))?.[0] ?? 'unknown';

/** Prints what comes after `from`, until the process is ended. With `json` one object a line. */
export async function followLog(options: {
  reader: LogReader;
  target: { log_path: string } | { unit: string };
  from: TailLog;
  json: boolean;
  grep: string | undefined;
  ctx: CliContext;
}): Promise<never> {
  const { reader, target, json, ctx } = options;
  const { stdout, env } = ctx.process;
  const paint = paintFor(stdout, env);
  const wanted = options.grep === undefined ? () => true : compileGrep(options.grep);
  let { cursor } = options.from;
  for (;;) {
    const found = await reader.tailLog({
      ...target,
      wait_ms: WAIT_MS,
      ...(cursor === undefined ? { lines: 1 } : { cursor }),
    });
    cursor = found.cursor ?? cursor;
    if (found.rotated && !json) stdout.write(paint.dim('— the log was rotated —\n'));
    for (const line of found.lines) {
      if (!wanted(line)) continue;
      const shown = stdout.isTTY ? levelPaint(levelOf(line), paint)(visible(line)) : line;
      stdout.write(`${json ? JSON.stringify({ line }) : shown}\n`);
    }
  }
}
