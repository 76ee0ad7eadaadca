/**
 * Which command may start: one at a time within a lane, in the order of `rank`; lanes beside each other, up to a
 * limit. Pure bookkeeping.
 */
export interface Waiting {
  id: string;
  lane: string;
  /** Epoch and seq. */
  rank: readonly [number, number];
}

const before = (a: Waiting, b: Waiting): number => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1];

export class Lanes {
  readonly #limit: number;
  readonly #running = new Map<string, string>();
  readonly #busy = new Set<string>();
  #waiting: Waiting[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** True: it may start now and counts as running. False: it waits for `next`. */
  enter(command: Waiting): boolean {
    const laneIsFree = !this.#busy.has(command.lane) && !this.#waiting.some((w) => w.lane === command.lane);
    if (laneIsFree && this.#running.size < this.#limit) {
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
  next(): Waiting | undefined {
    if (this.#running.size >= this.#limit) return undefined;
    const place = this.#waiting.findIndex((command) => !this.#busy.has(command.lane));
    const command = this.#waiting[place];
    if (command === undefined) return undefined;
    this.#waiting.splice(place, 1);
    this.#begin(command);
    return command;
  }

  #begin(command: Waiting): void {
    this.#running.set(command.id, command.lane);
    this.#busy.add(command.lane);
  }
}
