/**
 * Finding lines in files of any size, in constant memory: pieces are read one after the other, and between two of
 * them everything else in the process has its turn.
 */
import type { ByteSource } from './byte-source.ts';

const NEWLINE = 10;
const CHUNK = 256 * 1024;
/** How far back the beginning of the last lines is looked for. */
const MAX_TAIL_BYTES = 64 * 1024 * 1024;

/** Where line `skip` (from 0) begins after `from`; without that many lines, the end and how many there are. */
export async function skipLines(
  source: ByteSource,
  skip: number,
  signal: AbortSignal,
  from = 0,
): Promise<{ at: number; skipped: number }> {
  let skipped = 0;
  let at = from;
  while (skipped < skip && at < source.size) {
    signal.throwIfAborted();
    const chunk = await source.scan(at, CHUNK);
    if (chunk.length === 0) break;
    let next = 0;
    while (skipped < skip) {
      const found = chunk.indexOf(NEWLINE, next);
      if (found < 0) break;
      skipped++;
      next = found + 1;
    }
    if (skipped === skip) return { at: at + next, skipped };
    at += chunk.length;
  }
  // A last line without a newline is a line too.
  if (skipped < skip && at > from && !(await endsWithNewline(source))) skipped++;
  return { at, skipped };
}

const endsWithNewline = async (source: ByteSource): Promise<boolean> =>
  (await source.read(source.size - 1, 1))[0] === NEWLINE;

export const countLines = async (source: ByteSource, signal: AbortSignal): Promise<number> =>
  (await skipLines(source, Number.POSITIVE_INFINITY, signal)).skipped;

/**
 * Where the last `lines` lines begin, and how many they are. `cut` when the first of them begins further back than
 * is looked, `maxBytes`.
 */
export async function lastLines(
  source: ByteSource,
  lines: number,
  signal: AbortSignal,
  maxBytes: number = MAX_TAIL_BYTES,
): Promise<{ at: number; lines: number; cut: boolean }> {
  const { size } = source;
  if (size === 0 || lines === 0) return { at: size, lines: 0, cut: false };
  // The newline at the very end ends the last line and begins none.
  let wanted = lines + ((await endsWithNewline(source)) ? 1 : 0);
  let end = size;
  const floor = Math.max(0, size - maxBytes);
  while (end > floor) {
    signal.throwIfAborted();
    const start = Math.max(floor, end - CHUNK);
    const chunk = await source.scan(start, end - start);
    for (let at = chunk.length; at > 0; ) {
      const found = chunk.lastIndexOf(NEWLINE, at - 1);
      if (found < 0) break;
      wanted--;
      if (wanted === 0) return { at: start + found + 1, lines, cut: false };
      at = found;
    }
    end = start;
  }
  const atEnd = (await endsWithNewline(source)) ? 1 : 0;
  return { at: floor, lines: lines - wanted + atEnd + (atEnd === 1 ? 0 : 1), cut: floor > 0 };
}

/**
 * Calls `onLine` with each line of the span, without its end (`\n` or `\r\n`), valid during the call. Of a line longer than `maxLine` bytes
 * only so much is given, and `whole` is false. Return false to stop.
 */
export async function eachLine(
  source: ByteSource,
  span: { from: number; to: number; maxLine: number },
  signal: AbortSignal,
  onLine: (line: Buffer, at: number, whole: boolean) => boolean | undefined,
): Promise<void> {
  let carried: Buffer | undefined;
  let lineAt = span.from;
  let at = span.from;
  const give = (line: Buffer) => {
    const bytes = line.at(-1) === 13 ? line.subarray(0, -1) : line;
    const whole = bytes.length <= span.maxLine;
    return onLine(whole ? bytes : bytes.subarray(0, span.maxLine), lineAt, whole) !== false;
  };
  while (at < span.to) {
    signal.throwIfAborted();
    const chunk = await source.scan(at, Math.min(CHUNK, span.to - at));
    if (chunk.length === 0) break;
    let next = 0;
    for (;;) {
      const found = chunk.indexOf(NEWLINE, next);
      if (found < 0) break;
      const tail = chunk.subarray(next, found);
      if (!give(carried === undefined ? tail : Buffer.concat([carried, tail]))) return;
      carried = undefined;
      next = found + 1;
      lineAt = at + next;
    }
    const rest = chunk.subarray(next);
    // One byte more than is given away, so that it shows that the line was longer.
    const room = span.maxLine + 2 - (carried?.length ?? 0);
    if (rest.length > 0 && room > 0)
      carried = Buffer.concat([carried ?? Buffer.alloc(0), rest.subarray(0, room)]);
    at += chunk.length;
  }
  if (carried !== undefined) give(carried);
}
