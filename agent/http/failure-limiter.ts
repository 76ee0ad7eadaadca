import type { Clock } from '../../base/clock.ts';

const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

/** Counts failed attempts of an address in windows of a minute. */
export class FailureLimiter {
  readonly #clock: Clock;
  readonly #allowed: number;
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(options: { clock: Clock; allowed: number }) {
    this.#clock = options.clock;
    this.#allowed = options.allowed;
  }

  /** Seconds that this address has to wait; undefined while it may try. */
  waitS(address: string): number | undefined {
    const entry = this.#current(address);
    if (entry === undefined || entry.count < this.#allowed) return undefined;
    return Math.max(1, Math.ceil((entry.until - this.#clock.monotonic()) / 1000));
  }

  failed(address: string): void {
    const entry = this.#current(address);
    if (entry !== undefined) entry.count++;
    else {
      // Whoever has many addresses must not fill the memory; the oldest window ends early.
      const oldest = this.#failures.keys().next();
      if (this.#failures.size >= MAX_ADDRESSES && !oldest.done) this.#failures.delete(oldest.value);
      this.#failures.set(address, { count: 1, until: this.#clock.monotonic() + WINDOW_MS });
    }
  }

  #current(address: string): { count: number; until: number } | undefined {
    const entry = this.#failures.get(address);
    if (entry !== undefined && entry.until > this.#clock.monotonic()) return entry;
    this.#failures.delete(address);
    return undefined;
  }
}
