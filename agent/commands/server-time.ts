import type { Clock } from '../../base/clock.ts';

/** The orchestrator's time, as it said it and as durations went on since: our own clock may be set meanwhile. */
export class ServerTime {
  readonly #clock: Clock;
  #aheadOfMonotonicMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The orchestrator's clock says this now. */
  tell(serverMs: number): void {
    this.#aheadOfMonotonicMs = serverMs - this.#clock.monotonic();
  }

  /** How far the orchestrator's clock is ahead of ours; undefined before it said anything. */
  get skewMs(): number | undefined {
    const ahead = this.#aheadOfMonotonicMs;
    return ahead === undefined ? undefined : ahead + this.#clock.monotonic() - this.#clock.now();
  }

  /** Our clock, for what must not begin early because it was set forward. */
  get cautious(): Clock {
    const clock = this.#clock;
    return { ...clock, now: () => clock.now() + Math.min(0, this.skewMs ?? 0) };
  }
}
