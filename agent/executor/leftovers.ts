import type { Clock } from '../../base/clock.ts';
import { findMarked, killTree } from './process-tree.ts';

const GATHER_MS = 200;

/**
 * Ends what commands leave behind when they end by themselves (`nohup … &`, daemons): a command is over when its
 * shell is, as under systemd. Looking through /proc costs some milliseconds, so it happens after the result is out
 * and once for all commands that ended meanwhile.
 */
export class LeftoverSweeper {
  readonly #clock: Clock;
  readonly #onKilled: (count: number) => void;
  #marks = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(options: { clock: Clock; onKilled: (count: number) => void }) {
    this.#clock = options.clock;
    this.#onKilled = options.onKilled;
  }

  /** The command with this mark has ended. */
  add(mark: string): void {
    this.#marks.add(mark);
    this.#running ??= this.#sweep().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when everything that was added has been looked for. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #sweep(): Promise<void> {
    while (this.#marks.size > 0) {
      await this.#clock.sleep(GATHER_MS);
      const marks = this.#marks;
      this.#marks = new Set();
      // One look is enough where nothing is found, the usual case.
      if ((await findMarked(marks)).length === 0) continue;
      const { killed } = await killTree(() => findMarked(marks), this.#clock);
      if (killed > 0) this.#onKilled(killed);
    }
  }
}
