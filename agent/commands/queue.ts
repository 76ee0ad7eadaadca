import type { Clock, Timer } from '../../base/clock.ts';
import type { CommandPayload } from '../../protocol/command.ts';
import { Lanes, type Waiting } from './lanes.ts';

const RETRY_MS = 2000;
/** Longest wait for a command's time before the clock is looked at again: it may be set meanwhile. */
const LOOK_AT_CLOCK_MS = 30_000;

/** As the lanes see a command. */
export const waitingOf = ({ command_id, lane, epoch, seq, not_before }: CommandPayload): Waiting => ({
  id: command_id,
  lane,
  rank: [epoch, seq],
  notBeforeMs: not_before === undefined ? undefined : Date.parse(not_before),
});

export interface QueueOptions {
  clock: Clock;
  limit: number;
  /** Starts a command that waited, or finds that it has nothing to do any more; false: not now, try it again. */
  start(id: string): boolean;
}

/** The lanes, and what wakes them: a place that becomes free, the time of a command, a disk that can be written again. */
export class CommandQueue {
  readonly #options: QueueOptions;
  readonly #lanes: Lanes;
  #stopped = false;
  #alarm: { at: number; timer: Timer } | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#lanes = new Lanes(options.limit);
  }

  /** True: it may start now and counts as running. False: it is started when its turn and its time have come. */
  enter(command: Waiting): boolean {
    const starts = this.#lanes.enter(command, this.#options.clock.now());
    if (!starts) this.#arm();
    return starts;
  }

  wait(command: Waiting): void {
    this.#lanes.wait(command);
  }

  leave(id: string): void {
    this.#lanes.leave(id);
  }

  /** Starts what may start now. */
  startWaiting(): void {
    const { clock, start } = this.#options;
    while (!this.#stopped) {
      const next = this.#lanes.next(clock.now());
      if (next === undefined) {
        this.#arm();
        return;
      }
      if (start(next.id)) continue;
      // It keeps its place.
      this.#lanes.leave(next.id);
      this.#lanes.wait(next);
      this.#wakeAt(clock.now() + RETRY_MS);
      return;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm?.timer.cancel();
  }

  #arm(): void {
    const at = this.#lanes.nextDue(this.#options.clock.now());
    if (at !== undefined) this.#wakeAt(at);
  }

  #wakeAt(at: number): void {
    if (this.#stopped || (this.#alarm !== undefined && this.#alarm.at <= at)) return;
    this.#alarm?.timer.cancel();
    const { clock } = this.#options;
    const wake = () => {
      this.#alarm = undefined;
      this.startWaiting();
    };
    const wait = Math.min(Math.max(0, at - clock.now()), LOOK_AT_CLOCK_MS);
    this.#alarm = { at, timer: clock.setTimer(wait, wake, { background: true }) };
  }
}
