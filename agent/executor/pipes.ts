import { execFile } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Both ends of a pipe; the write end goes to a child and is then closed here. */
export interface Pipe {
  read: number;
  write: number;
}

/** Two for each command; starting mkfifo(1) costs as much as a command does. */
const BATCH = 128;
const REFILL_BELOW = 16;

/**
 * Real pipes for commands. Node gives its children socket pairs, on which `echo … > /dev/stderr` fails ("No such
 * device or address"), and which cannot be read into a buffer that is used again. So pipes are named ones, made in
 * batches by mkfifo(1), opened once, and unlinked at once: no other process can find them and none is used twice.
 */
export class PipePool {
  get folder(): string {
    return this.#folder;
  }
  readonly #folder: string;
  readonly #ready: string[] = [];
  #made = 0;
  #refilling: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes pipes ahead of need. */
  refill(): Promise<void> {
    this.#refilling ??= this.#fill().finally(() => {
      this.#refilling = undefined;
    });
    return this.#refilling;
  }

  /** `count` pipes at once, so that a command holds all of its pipes or none. @throws when mkfifo or open fails. */
  async take(count: number): Promise<Pipe[]> {
    while (this.#ready.length < count) await this.refill();
    const pipes: Pipe[] = [];
    try {
      for (const name of this.#ready.splice(0, count)) pipes.push(openPipe(name));
    } catch (cause) {
      for (const pipe of pipes) closePipe(pipe);
      throw cause;
    }
    if (this.#ready.length < REFILL_BELOW) this.refill().catch(() => undefined);
    return pipes;
  }

  /** A pipe into a child: its read end waits for bytes, the write end here does not wait for room. */
  async takeInput(): Promise<Pipe> {
    while (this.#ready.length < 1) await this.refill();
    const name = this.#ready.shift();
    if (name === undefined) throw new Error('no pipes');
    return openInputPipe(name);
  }

  /** A file without a name that holds `bytes`, for a child that gets all of its input at once. @returns a descriptor. */
  inputFile(bytes: Uint8Array): number {
    this.#prepare();
    const name = join(this.#folder, `p-input-${++this.#made}`);
    const fd = openSync(name, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      unlinkSync(name);
      // By position, so that the child finds the descriptor at the beginning.
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
      return fd;
    } catch (cause) {
      closeSync(fd);
      throw cause;
    }
  }

  async close(): Promise<void> {
    await this.#refilling?.catch(() => undefined);
    for (const name of this.#ready.splice(0)) rmSync(name, { force: true });
  }

  /** What an earlier process left in the folder is removed. @throws when the folder cannot be made. */
  #prepare(): void {
    if (this.#made > 0) return;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#folder)) if (name.startsWith('p')) rmSync(join(this.#folder, name));
  }

  async #fill(): Promise<void> {
    this.#prepare();
    const names = Array.from({ length: BATCH }, () => join(this.#folder, `p${++this.#made}`));
    await run('mkfifo', ['-m', '600', ...names], { env: { PATH: '/usr/bin:/bin' } }).catch(
      (cause: unknown) => {
        for (const name of names) rmSync(name, { force: true });
        throw withSystemCode(cause);
      },
    );
    this.#ready.push(...names);
  }
}

/** What a program says of the system's error, as the system's error. */
function withSystemCode(cause: unknown): unknown {
  const { stderr } = cause as { stderr?: string };
  const code = Object.entries(SAID).find(([text]) => stderr?.includes(text))?.[1];
  return code === undefined
    ? cause
    : Object.assign(new Error(`mkfifo: ${stderr?.trim().split('\n')[0]}`, { cause }), { code });
}

const SAID: Readonly<Record<string, string>> = {
  'No space left on device': 'ENOSPC',
  'Disk quota exceeded': 'EDQUOT',
  'Read-only file system': 'EROFS',
  'Input/output error': 'EIO',
};

function openPipe(name: string): Pipe {
  // The read end first and without waiting; with a reader there, opening the write end does not wait either.
  const read = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return { read, write: openSync(name, constants.O_WRONLY) };
  } catch (cause) {
    closeSync(read);
    throw cause;
  } finally {
    unlinkSync(name);
  }
}

function openInputPipe(name: string): Pipe {
  // A reader that does not wait lets the writer open at once; with a writer there, the child's end opens at once too.
  const first = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const write = openSync(name, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      return { read: openSync(name, constants.O_RDONLY), write };
    } catch (cause) {
      closeSync(write);
      throw cause;
    }
  } finally {
    closeSync(first);
    unlinkSync(name);
  }
}

export function closePipe(pipe: Pipe): void {
  closeSync(pipe.read);
  closeSync(pipe.write);
}

/** Takes bytes that are valid only during the call. A promise pauses the reading until it is settled. */
export type ByteSink = (bytes: Buffer) => void | Promise<void>;

export interface PipeReader {
  /** Resolves when every writer has closed its end, or after `destroy`. */
  ended: Promise<void>;
  /** The sink asked for patience and has not yet said that it can take more. */
  held(): boolean;
  destroy(): void;
}

// Every pipe is read into this one buffer: libuv fills it and calls back before it reads again.
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** Reads a pipe to its end without allocating. Takes over the descriptor. */
export function readPipe(fd: number, sink: ByteSink): PipeReader {
  let held = false;
  const release = () => {
    held = false;
  };
  const socket = new Socket({
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer: shared,
      callback: (count) => {
        const pending = sink(shared.subarray(0, count));
        if (pending === undefined) return true;
        held = true;
        pending.finally(release).then(
          () => socket.resume(),
          () => socket.destroy(),
        );
        return false;
      },
    },
  });
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // A pipe whose reading failed has no more to give; the command's end is what counts.
  socket.on('error', () => undefined);
  socket.on('end', () => socket.destroy());
  socket.resume();
  return { ended, held: () => held, destroy: () => socket.destroy() };
}
