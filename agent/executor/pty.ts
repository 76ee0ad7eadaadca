import { closeSync, existsSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ReadStream } from 'node:tty';
import type { Clock, Timer } from '../../base/clock.ts';
import type { TerminalSize } from '../../protocol/terminal.ts';

/** What the native part of `@lydell/node-pty` offers on Linux; Node itself can make no pseudo-terminal. */
interface NativePty {
  open(cols: number, rows: number): { master: number; slave: number; pty: string };
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void,
  ): { fd: number; pid: number; pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

const PLATFORM = `${process.platform}-${process.arch}`;
let loaded: NativePty | undefined | null = null;

/** Undefined where there is no build of it: another platform, another C library. */
export function nativePty(): NativePty | undefined {
  loaded ??= load();
  return loaded;
}

function load(): NativePty | undefined {
  const require = createRequire(import.meta.url);
  // Beside the bundle; in a checkout where npm put it.
  const beside = join(import.meta.dirname, 'native', PLATFORM, 'pty.node');
  try {
    const path = existsSync(beside) ? beside : require.resolve(`@lydell/node-pty-${PLATFORM}/pty.node`);
    return require(path) as NativePty;
  } catch {
    return undefined;
  }
}

const RETRY_MS = 10;
/** What nobody reads is lost from here on, as on a line that is overrun. */
const MAX_UNSENT = 1024 * 1024;

/**
 * The side of a pseudo-terminal that a person sits at. What is typed waits here while the terminal takes no more, and
 * what is shown waits there while it is paused.
 */
export class PtyMaster {
  readonly #fd: number;
  readonly #native: NativePty;
  readonly #clock: Clock;
  readonly #stream: ReadStream;
  #typed: Buffer[] = [];
  #retry: Timer | undefined;
  #open = true;

  constructor(options: {
    fd: number;
    native: NativePty;
    clock: Clock;
    onData(bytes: Buffer): void;
    /** Nobody has the other side open any more. */
    onEnd(): void;
  }) {
    this.#fd = options.fd;
    this.#native = options.native;
    this.#clock = options.clock;
    this.#stream = new ReadStream(options.fd);
    this.#stream.on('data', (bytes: Buffer) => options.onData(bytes));
    // Linux says EIO when the last process has closed the other side.
    this.#stream.on('error', () => this.#stream.destroy());
    this.#stream.on('close', () => {
      this.#open = false;
      this.#retry?.cancel();
      options.onEnd();
    });
  }

  /** Bytes that the terminal has not taken yet. */
  get unsent(): number {
    return this.#typed.reduce((sum, { length }) => sum + length, 0);
  }

  write(bytes: Buffer): void {
    if (!this.#open || bytes.length === 0 || this.unsent > MAX_UNSENT) return;
    this.#typed.push(bytes);
    if (this.#retry === undefined) this.#flush();
  }

  resize({ rows, cols }: TerminalSize): void {
    if (this.#open) this.#native.resize(this.#fd, cols, rows);
  }

  get paused(): boolean {
    return this.#open && this.#stream.isPaused();
  }
  pause(): void {
    this.#stream.pause();
  }
  resume(): void {
    this.#stream.resume();
  }

  destroy(): void {
    this.#open = false;
    this.#retry?.cancel();
    this.#stream.destroy();
  }

  /** By hand and without waiting: a stream would block the whole process when the terminal's line is full. */
  #flush(): void {
    this.#retry = undefined;
    while (this.#open) {
      const [first] = this.#typed;
      if (first === undefined) return;
      try {
        const count = writeSync(this.#fd, first);
        if (count === first.length) this.#typed.shift();
        else this.#typed[0] = first.subarray(count);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN') {
          this.#typed = [];
          return;
        }
        this.#retry = this.#clock.setTimer(RETRY_MS, () => this.#flush());
        return;
      }
    }
  }
}

/** A pair whose other side is opened by its path; that side stays until `release`, so that it can be opened later. */
export function openPty(
  native: NativePty,
  size: TerminalSize,
): { master: number; path: string; release(): void } {
  const { master, slave, pty } = native.open(size.cols, size.rows);
  let held = true;
  return {
    master,
    path: pty,
    release() {
      if (held) closeSync(slave);
      held = false;
    },
  };
}
