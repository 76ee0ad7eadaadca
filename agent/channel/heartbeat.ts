import type { Clock, Timer } from '../../base/clock.ts';
import { every } from '../../base/clock.ts';
import type { LoadSample } from '../../protocol/facts.ts';

/** Sends a sample at once and then at the interval that the orchestrator gave, until it is stopped. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #sample: () => Promise<LoadSample>;
  readonly #send: (load: LoadSample) => void;
  #timer: Timer | undefined;

  constructor(options: {
    clock: Clock;
    sample: () => Promise<LoadSample>;
    send: (load: LoadSample) => void;
  }) {
    this.#clock = options.clock;
    this.#sample = options.sample;
    this.#send = options.send;
  }

  start(intervalS: number): void {
    this.stop();
    const beat = () => {
      // A sample that fails is left out; the WebSocket's own pings show that the agent lives.
      this.#sample().then(this.#send, () => undefined);
    };
    this.#timer = every(this.#clock, intervalS * 1000, beat);
    beat();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
