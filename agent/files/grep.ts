import type { FileHandle } from 'node:fs/promises';
import { fileSource } from './byte-source.ts';
import { eachLine } from './lines.ts';
import type { LineMatcher } from './pattern.ts';

export interface LineMatch {
  /** From 1. */
  line: number;
  text: string;
  before: string[];
  after: string[];
}

export interface GrepOptions {
  matcher: LineMatcher;
  /** Lines around a match. */
  context: number;
  signal: AbortSignal;
  /** Called for each match once what follows it is known. Return false to stop. */
  onMatch: (match: LineMatch) => boolean;
}

/** Characters of a line that are shown. */
const SHOWN = 300;
/** Of a longer line only the beginning is searched. */
const MAX_LINE = 1024 * 1024;
/** Text that the pattern is tried on in one go. */
const BATCH_BYTES = 64 * 1024;
const SNIFF_BYTES = 8 * 1024;

/** Searches one file line by line in constant memory. `binary` when it holds a NUL byte near its beginning. */
export async function grepFile(
  handle: FileHandle,
  size: number,
  options: GrepOptions,
): Promise<'searched' | 'binary'> {
  const { matcher, context, signal, onMatch } = options;
  const source = await fileSource(handle, size);
  if ((await source.read(0, SNIFF_BYTES)).includes(0)) return 'binary';
  const recent: string[] = [];
  const waiting: { match: LineMatch; left: number }[] = [];
  let batch: string[] = [];
  let batchBytes = 0;
  let number = 0;
  let going = true;

  const settle = () => {
    while (going && waiting[0]?.left === 0) {
      const done = waiting.shift();
      if (done) going = onMatch(done.match);
    }
  };
  const flush = () => {
    const hits = batch.length === 0 ? [] : matcher.find(batch);
    for (const [index, line] of batch.entries()) {
      if (!going) break;
      number++;
      const hit = hits[index] ?? -1;
      if (hit < 0 && context === 0) continue;
      const plain = line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
      for (const entry of waiting) {
        entry.match.after.push(plain);
        entry.left--;
      }
      settle();
      if (hit >= 0)
        waiting.push({
          match: { line: number, text: around(line, hit), before: [...recent], after: [] },
          left: context,
        });
      settle();
      if (context > 0) {
        recent.push(plain);
        if (recent.length > context) recent.shift();
      }
    }
    batch = [];
    batchBytes = 0;
    return going;
  };

  await eachLine(source, { from: 0, to: source.size, maxLine: MAX_LINE }, signal, (line) => {
    batch.push(line.toString('utf8'));
    batchBytes += line.length + 16;
    return batchBytes < BATCH_BYTES || flush();
  });
  if (going) flush();
  for (const entry of waiting) entry.left = 0;
  settle();
  return 'searched';
}

/** The part of a line in which the match is. */
function around(line: string, at: number): string {
  if (line.length <= SHOWN) return line;
  const from = Math.max(0, Math.min(at - SHOWN / 3, line.length - SHOWN));
  const to = Math.min(line.length, from + SHOWN);
  return `${from > 0 ? '…' : ''}${line.slice(from, to)}${to < line.length ? '…' : ''}`;
}
