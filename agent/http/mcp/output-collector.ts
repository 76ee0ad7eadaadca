import type { Stream } from '../../../protocol/command.ts';

/** Bytes of both streams that one answer carries. */
export const BUDGET = 20 * 1024;
const HALF = BUDGET / 2;

interface Kept {
  head: Buffer;
  headSize: number;
  /** A ring: the last bytes after the head. */
  tail: Buffer;
  tailAt: number;
  size: number;
}

const empty = (): Kept => ({
  head: Buffer.allocUnsafe(HALF),
  headSize: 0,
  tail: Buffer.alloc(0),
  tailAt: 0,
  size: 0,
});

export interface CollectedText {
  stdout: string;
  stderr: string;
  stdoutBytes: number;
  stderrBytes: number;
  omittedBytes: number;
}

/** Head and tail of what a command writes, in constant memory however much it writes. */
export class OutputCollector {
  readonly #kept: Partial<Record<Stream, Kept>> = {};

  write(stream: Stream, bytes: Buffer): void {
    this.#kept[stream] ??= empty();
    const kept = this.#kept[stream];
    kept.size += bytes.length;
    const forHead = Math.min(HALF - kept.headSize, bytes.length);
    if (forHead > 0) {
      bytes.copy(kept.head, kept.headSize, 0, forHead);
      kept.headSize += forHead;
    }
    if (forHead < bytes.length) keepTail(kept, bytes.subarray(Math.max(forHead, bytes.length - HALF)));
  }

  get size(): number {
    return (this.#kept.stdout?.size ?? 0) + (this.#kept.stderr?.size ?? 0);
  }

  /** The text of both, within the budget; what one stream does not need is the other's. */
  text(): CollectedText {
    const { stdout, stderr } = this.#kept;
    const [outSize, errSize] = [stdout?.size ?? 0, stderr?.size ?? 0];
    const forErr = Math.min(errSize, Math.max(HALF, BUDGET - outSize));
    const forOut = Math.min(outSize, BUDGET - forErr);
    return {
      stdout: cut(stdout, forOut),
      stderr: cut(stderr, forErr),
      stdoutBytes: outSize,
      stderrBytes: errSize,
      omittedBytes: outSize - forOut + (errSize - forErr),
    };
  }
}

function keepTail(kept: Kept, bytes: Buffer): void {
  if (kept.tail.length === 0) kept.tail = Buffer.alloc(HALF);
  const first = Math.min(bytes.length, HALF - kept.tailAt);
  bytes.copy(kept.tail, kept.tailAt, 0, first);
  bytes.copy(kept.tail, 0, first);
  kept.tailAt = (kept.tailAt + bytes.length) % HALF;
}

function cut(kept: Kept | undefined, allowed: number): string {
  if (kept === undefined) return '';
  const head = kept.head.subarray(0, kept.headSize);
  const after = Math.min(kept.size - kept.headSize, HALF);
  const ring = Buffer.concat([kept.tail.subarray(kept.tailAt), kept.tail.subarray(0, kept.tailAt)]);
  const tail = ring.subarray(ring.length - after);
  if (kept.size <= allowed) return Buffer.concat([head, tail]).toString();
  const half = Math.floor(allowed / 2);
  const both = after < half ? Buffer.concat([head, tail]) : tail;
  const start = textEnd(head.subarray(0, half));
  const end = textStart(both.subarray(both.length - half));
  return `${start.toString()}\n[… ${kept.size - start.length - end.length} bytes left out …]\n${end.toString()}`;
}

/** Without the beginning of a character whose rest is cut off (UTF-8, RFC 3629). */
function textEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte >= 0xc0) {
      const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needs > back ? bytes.subarray(0, bytes.length - back) : bytes;
    }
  }
  return bytes;
}

/** Without the rest of a character whose beginning is cut off. */
function textStart(bytes: Buffer): Buffer {
  let skip = 0;
  while (skip < 3 && ((bytes[skip] ?? 0) & 0xc0) === 0x80) skip++;
  return bytes.subarray(skip);
}
