import type { Output, Paint } from '../../provision/progress.ts';
import { visible } from '../table.ts';
import type { Result } from './check.ts';

const MARKS: Readonly<Record<Result, string>> = {
  ok: 'ok  ',
  info: 'info',
  warn: 'warn',
  fail: 'FAIL',
  skipped: 'skip',
};

/** A line for what was checked, and under it what to do. */
export function writeLine(
  output: Output,
  paint: Paint,
  width: number,
  line: { name: string; result: Result; detail: string; hint?: string; notes?: readonly string[] },
): void {
  const tone: Readonly<Record<Result, (text: string) => string>> = {
    ok: paint.green,
    info: paint.dim,
    warn: paint.yellow,
    fail: paint.red,
    skipped: paint.dim,
  };
  const { name, result, detail, hint, notes = [] } = line;
  const indent = `\n${' '.repeat(width + 7)}`;
  const shown = detail.trim().split('\n').map(visible).join(indent);
  output.write(`${tone[result](MARKS[result])}  ${name.padEnd(width)} ${shown}\n`);
  const below = [...notes, ...(hint === undefined || hint === '' ? [] : [hint])];
  for (const text of below)
    output.write(`${indent.slice(1)}${paint.bold('→')} ${text.split('\n').map(visible).join(indent)}\n`);
}
