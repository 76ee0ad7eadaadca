import type { LogLevelName, TailLog } from '../../protocol/log-tools.ts';
import { paintFor } from '../../provision/progress.ts';
import type { CliContext } from '../context.ts';
import { visible } from '../table.ts';
import { createLineFilter } from './followed-lines.ts';
import { levelPaint } from './print.ts';
import type { LogReader } from './reader.ts';

const WAIT_MS = 25_000;

/** Prints what comes after `from`, until the process is ended. With `json` one object a line. */
export async function followLog(options: {
  reader: LogReader;
  target: { log_path: string } | { unit: string };
  from: TailLog;
  json: boolean;
  grep: string | undefined;
  level: LogLevelName | undefined;
  /** The lines as they are, also on a terminal. */
  raw: boolean;
  ctx: CliContext;
}): Promise<never> {
  const { reader, target, json, ctx } = options;
  const { stdout, env } = ctx.process;
  const paint = paintFor(stdout, env);
  const wanted = createLineFilter({
    grep: options.grep,
    least: options.level,
    mask: stdout.isTTY === true && !json && !options.raw,
  });
  let { cursor } = options.from;
  for (;;) {
    const found = await reader.tailLog({
      ...target,
      wait_ms: WAIT_MS,
      ...(cursor === undefined ? { lines: 1 } : { cursor }),
    });
    cursor = found.cursor ?? cursor;
    if (found.rotated && !json) stdout.write(paint.dim('— the log was rotated —\n'));
    for (const { line, text, level } of wanted(found.lines)) {
      const shown = stdout.isTTY ? levelPaint(level, paint)(visible(text)) : line;
      stdout.write(`${json ? JSON.stringify({ line }) : shown}\n`);
    }
  }
}
