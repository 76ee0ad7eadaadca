import { isAscii } from 'node:buffer';

const NEWLINE = 10;
const RETURN = 13;

/** Of a longer line the beginning is looked at: more says nothing about what kind of message it is. */
export const MAX_LINE_BYTES = 16 * 1024;

/**
 * Pieces of bytes in, lines out, in constant memory however long a line is. `\r\n` ends a line as `\n` does, and a last
 * line needs neither. Bytes that are no UTF-8 become U+FFFD.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #maxLine: number;
  #carried: Buffer[] = [];
  #carriedBytes = 0;
  /** A line has begun that has not ended. */
  #open = false;
  #first = true;

  constructor(onLine: (line: string) => void, maxLine: number = MAX_LINE_BYTES) {
    this.#onLine = onLine;
    this.#maxLine = maxLine;
  }

  /** `chunk` may be used again after the call. */
  push(chunk: Buffer): void {
    const ascii = isAscii(chunk);
    let next = 0;
    for (;;) {
      const found = chunk.indexOf(NEWLINE, next);
      if (found < 0) break;
      if (this.#open) {
        this.#carry(chunk.subarray(next, found));
        this.#endCarried();
      } else this.#give(chunk, next, found, ascii);
      next = found + 1;
    }
    if (next < chunk.length) this.#carry(chunk.subarray(next));
  }

  /** The input is over; what is begun is a line. */
  end(): void {
    if (this.#open) this.#endCarried();
    this.#first = true;
  }

  #carry(bytes: Buffer): void {
    this.#open = true;
    // One byte more, for a return that is not given away.
    const room = this.#maxLine + 1 - this.#carriedBytes;
    if (room <= 0 || bytes.length === 0) return;
    const kept = Buffer.from(bytes.subarray(0, room));
    this.#carried.push(kept);
    this.#carriedBytes += kept.length;
  }

  #endCarried(): void {
    const line = this.#carried.length === 1 ? this.#carried[0] : Buffer.concat(this.#carried);
    this.#carried = [];
    this.#carriedBytes = 0;
    this.#open = false;
    if (line !== undefined) this.#give(line, 0, line.length, false);
  }

  #give(bytes: Buffer, from: number, to: number, ascii: boolean): void {
    let end = to > from && bytes[to - 1] === RETURN ? to - 1 : to;
    if (end - from > this.#maxLine) end = from + this.#maxLine;
    const line = ascii ? bytes.toString('latin1', from, end) : bytes.toString('utf8', from, end);
    // The mark that some programs put before the first line of UTF-8.
    this.#onLine(this.#first && line.startsWith('\ufeff') ? line.slice(1) : line);
    this.#first = false;
  }
}
