/**
 * Where the frames of a .zst file end (RFC 8878, 3.1). Node's decoder stops silently after the first frame, and at an
 * end that comes too early; files of several frames are what appending, parallel and seekable writers make.
 */
import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

const FRAME = 0xfd2fb528;
const SKIPPED = 0x184d2a50;
const BLOCK_HEADER = 3;
const CHECKSUM = 4;

const isSkipped = (magic: number): boolean => (magic & 0xfffffff0) >>> 0 === SKIPPED;

/** What to do with the next bytes of a frame. */
type Step = 'magic' | 'header' | 'block' | 'content' | 'skip-size' | 'skip';

/** Tells for each piece of input how much of it belongs to the present frame. */
class FrameWalk {
  #step: Step = 'magic';
  /** Bytes that are collected for the present step, and how many it needs. */
  #small = Buffer.alloc(0);
  #need = 4;
  #left = 0;
  #last = false;
  #checksum = false;

  /** Between two frames. */
  get atStart(): boolean {
    return this.#step === 'magic' && this.#small.length === 0;
  }

  /** Consumes from `bytes`; `end` when the frame ended there. `keep` is false for what no decoder needs. */
  take(bytes: Buffer): { used: number; end: boolean; keep: boolean } {
    let used = 0;
    for (;;) {
      if (this.#step === 'content' || this.#step === 'skip') {
        const step = Math.min(this.#left, bytes.length - used);
        this.#left -= step;
        used += step;
        if (this.#left > 0) return { used, end: false, keep: this.#step === 'content' };
        const keep = this.#step === 'content';
        if (this.#step === 'skip' || this.#last) {
          this.#expect('magic', 4);
          return { used, end: true, keep };
        }
        this.#expect('block', BLOCK_HEADER);
      }
      const missing = this.#need - this.#small.length;
      const piece = bytes.subarray(used, used + missing);
      this.#small = Buffer.concat([this.#small, piece]);
      used += piece.length;
      if (this.#small.length < this.#need) return { used, end: false, keep: this.#step !== 'skip-size' };
      this.#decide();
    }
  }

  #expect(step: Step, need: number): void {
    this.#step = step;
    this.#need = need;
    this.#small = Buffer.alloc(0);
  }

  #decide(): void {
    if (this.#step === 'magic') this.#magic(this.#small.readUInt32LE(0));
    else if (this.#step === 'header') this.#header(this.#small[0] ?? 0);
    else if (this.#step === 'block') this.#block(this.#small.readUIntLE(0, BLOCK_HEADER));
    else this.#begin('skip', this.#small.readUInt32LE(0));
  }

  #magic(magic: number): void {
    if (isSkipped(magic)) this.#expect('skip-size', 4);
    else if (magic === FRAME) this.#expect('header', 1);
    else throw new Error('no frame begins here');
  }

  #header(descriptor: number): void {
    const single = (descriptor & 0x20) !== 0;
    const size = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
    const whole = 1 + (single ? 0 : 1) + dictionary + size;
    if (this.#need < whole) {
      this.#need = whole;
      return;
    }
    this.#checksum = (descriptor & 4) !== 0;
    this.#expect('block', BLOCK_HEADER);
  }

  #block(header: number): void {
    this.#last = (header & 1) === 1;
    const isRepeated = ((header >> 1) & 3) === 1;
    this.#begin('content', (isRepeated ? 1 : header >> 3) + (this.#last && this.#checksum ? CHECKSUM : 0));
  }

  #begin(step: 'content' | 'skip', length: number): void {
    this.#step = step;
    this.#left = length;
  }
}

/** No frame is shorter, nor the beginning that tells what it is. */
const MIN_BEGINNING = 8;

/** Unpacks all frames one after the other. @throws for a file that ends inside a frame, after what came before. */
export async function* unpackZstd(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = packed[Symbol.asyncIterator]();
  const walk = new FrameWalk();
  let rest: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const { value, done } = await input.next();
    if (done !== true) rest = rest.length === 0 ? value : Buffer.concat([rest, value]);
    return done !== true;
  };
  async function* frame(): AsyncGenerator<Buffer> {
    for (;;) {
      const wanted = walk.atStart ? MIN_BEGINNING : 1;
      while (rest.length < wanted && (await more()));
      if (rest.length === 0) {
        if (!walk.atStart) throw new Error('the file ends inside a frame');
        return;
      }
      const { used, end, keep } = walk.take(rest);
      const part = rest.subarray(0, used);
      rest = rest.subarray(used);
      if (keep) yield part;
      if (end) return;
    }
  }
  for (;;) {
    while (rest.length < MIN_BEGINNING && (await more()));
    if (rest.length === 0) return;
    if (rest.length >= 4 && isSkipped(rest.readUInt32LE(0))) {
      for await (const _ of frame());
      continue;
    }
    const decoder = createZstdDecompress();
    const source = Readable.from(frame(), { objectMode: false });
    source.on('error', (error) => decoder.destroy(error));
    try {
      yield* source.pipe(decoder);
    } finally {
      source.destroy();
      decoder.destroy();
    }
  }
}
