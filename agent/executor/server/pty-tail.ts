import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../../base/clock.ts';
import type { TerminalSize } from '../../../protocol/terminal.ts';
import { nativePty, openPty, PtyMaster } from '../pty.ts';
import type { OutputSource } from './output-tail.ts';

/** Output that is read ahead of what was acknowledged: little, so that Ctrl-C is not far behind a flood. */
const WINDOW = 128 * 1024;
/** When its unit has ended but something outside of it still holds the terminal, it is given up after this long. */
const HELD_MS = 500;

/** The output of a command that has a terminal: it is read from there, no faster than it is taken here. */
export class PtyTail implements OutputSource {
  readonly path: string;
  readonly #master: PtyMaster;
  readonly #clock: Clock;
  readonly #release: () => void;
  readonly #hash = createHash('sha256');
  readonly #onChange: () => void;
  #chunks: Buffer[] = [];
  #received = 0;
  #sent = 0;
  #acknowledged = 0;
  #ended = false;
  #patience: Timer | undefined;
  limit = Number.POSITIVE_INFINITY;

  /** @throws when this machine has no pseudo-terminals. */
  constructor(options: { size: TerminalSize; clock: Clock; onChange(): void }) {
    const native = nativePty();
    if (native === undefined)
      throw new Error('there is no build of the terminal’s native part for this machine');
    const { master, path, release } = openPty(native, options.size);
    this.path = path;
    this.#release = release;
    this.#clock = options.clock;
    this.#onChange = options.onChange;
    this.#master = new PtyMaster({
      fd: master,
      native,
      clock: options.clock,
      onData: (bytes) => this.#take(bytes),
      onEnd: () => this.#end(),
    });
  }

  get sent(): number {
    return this.#sent;
  }
  size(): number {
    return Math.min(this.#received, this.limit);
  }
  done(): boolean {
    return this.#ended && this.#sent >= this.size();
  }

  write(bytes: Buffer): void {
    this.#master.write(bytes);
  }
  resize(size: TerminalSize): void {
    this.#master.resize(size);
  }
  /** Bytes of input that the terminal has not taken. */
  get unsent(): number {
    return this.#master.unsent;
  }

  acknowledged(offset: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(offset, this.#sent));
    if (this.#received - this.#acknowledged < WINDOW) this.#master.resume();
  }

  pump(send: (offset: number, bytes: Buffer) => boolean): void {
    for (;;) {
      const [chunk] = this.#chunks;
      const room = this.limit - this.#sent;
      if (chunk === undefined || room <= 0) return;
      this.#chunks.shift();
      const bytes = chunk.subarray(0, room);
      const offset = this.#sent;
      this.#sent += bytes.length;
      if (!send(offset, bytes)) return;
    }
  }

  finish(): void {
    this.#release();
    // What it wrote last may wait behind a pause.
    this.#master.resume();
    this.#patience ??= this.#clock.setTimer(HELD_MS, () => this.#master.destroy(), { background: true });
  }

  sha256(): string | undefined {
    return this.#hash.copy().digest('hex');
  }

  close(): void {
    this.#patience?.cancel();
    this.#release();
    this.#master.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received += bytes.length;
    this.#hash.update(bytes);
    this.#chunks.push(bytes);
    if (this.#received - this.#acknowledged >= WINDOW && this.#patience === undefined) this.#master.pause();
    this.#onChange();
  }

  #end(): void {
    this.#ended = true;
    this.#onChange();
  }
}
