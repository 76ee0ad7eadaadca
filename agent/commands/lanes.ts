/**
 * Which command may start: one at a time within a lane, in the order of `rank`; lanes beside each other, up to a
 * limit. Pure bookkeeping.
 */
export interface Waiting {
  id: string;
  lane: string;
  /** Epoch and seq. */
  rank: readonly [number, number];
  /** Not before this time (ms since the epoch); what comes after it in its lane waits as well. */
  notBeforeMs?: number | undefined;
}

const before = (a: Waiting, b: Waiting): number => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1];

const isDue = ({ notBeforeMs = 0 }: Waiting, nowMs: number): boolean => notBeforeMs <= nowMs;

export class Lanes {
  readonly #limit: number;
  readonly #running = new Map<string, string>();
  readonly #busy = new Set<string>();
  #waiting: Waiting[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** True: it may start now and counts as running. False: it waits for `next`. */
  enter(command: Waiting, nowMs: number): boolean {
    const laneIsFree = !this.#busy.has(command.lane) && !this.#waiting.some((w) => w.lane === command.lane);
    if (laneIsFree && isDue(command, nowMs) && this.#running.size < this.#limit) {
      this.#begin(command);
      return true;
    }
    this.wait(command);
    return false;
  }

  wait(command: Waiting): void {
    const place = this.#waiting.findIndex((other) => before(command, other) < 0);
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, command);
  }

  /** A running command has ended, or a waiting one was withdrawn. */
  leave(id: string): void {
    this.#waiting = this.#waiting.filter((command) => command.id !== id);
    const lane = this.#running.get(id);
    if (lane === undefined) return;
    this.#running.delete(id);
    this.#busy.delete(lane);
  }

  /** The next waiting command that may start now; it counts as running from here on. */
  next(nowMs: number): Waiting | undefined {
    if (this.#running.size >= this.#limit) return undefined;
    const command = this.#heads().find((head) => isDue(head, nowMs));
    if (command === undefined) return undefined;
    this.#waiting.splice(this.#waiting.indexOf(command), 1);
    this.#begin(command);
    return command;
  }

  /** When the next command that waits for its time may start (ms since the epoch). */
  nextDue(nowMs: number): number | undefined {
    const times = this.#heads()
      .map(({ notBeforeMs }) => notBeforeMs ?? 0)
      .filter((at) => at > nowMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The first that waits in each lane in which nothing runs. */
  #heads(): Waiting[] {
    const seen = new Set(this.#busy);
    return this.#waiting.filter(({ lane }) => !seen.has(lane) && seen.add(lane));
  }

  #begin(command: Waiting): void {
    this.#running.set(command.id, command.lane);
    this.#busy.add(command.lane);
  }
}
