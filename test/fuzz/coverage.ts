import { Session } from 'node:inspector/promises';

interface Range {
  startOffset: number;
  endOffset: number;
  count: number;
}

/** Which blocks of the product's sources ran, as V8 counts them: what makes the search follow the code. */
export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    await this.#session.post('Profiler.takePreciseCoverage');
  }

  /** How many blocks ran since the last call that never had before. */
  async fresh(): Promise<number> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    let fresh = 0;
    for (const { url, functions } of result) {
      if (!url.startsWith('file:') || url.includes('/test/')) continue;
      for (const { ranges } of functions as { ranges: Range[] }[])
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue;
          // Whether a block ran once or many times tells loops apart.
          const key = `${url}:${startOffset}:${endOffset}:${Math.min(4, Math.ceil(Math.log2(count + 1)))}`;
          if (this.#seen.has(key)) continue;
          this.#seen.add(key);
          fresh++;
        }
    }
    return fresh;
  }

  get size(): number {
    return this.#seen.size;
  }

  async stop(): Promise<void> {
    await this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}
