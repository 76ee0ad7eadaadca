/** The last of a terminal's output, for somebody who comes back to it: the rest is in the recording. */
export class ScreenBuffer {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #start = 0;
  #end = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of output so far. */
  get end(): number {
    return this.#end;
  }

  push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#end += bytes.length;
    for (let first = this.#chunks[0]; first && this.#end - this.#start - first.length >= this.#limit; ) {
      this.#chunks.shift();
      this.#start += first.length;
      first = this.#chunks[0];
    }
  }

  /** What there is from `offset` on, and where that begins; for an offset that never was, all there is. */
  from(offset: number): { offset: number; bytes: Buffer } {
    const start = offset >= this.#start && offset <= this.#end ? offset : this.#start;
    const all = Buffer.concat(this.#chunks);
    return { offset: start, bytes: all.subarray(start - this.#start) };
  }
}
