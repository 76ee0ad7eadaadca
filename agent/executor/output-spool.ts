import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type OutputSummary, type Stream, SUMMARY_PART_BYTES } from '../../protocol/command.ts';
import { outputRoom } from './output-room.ts';

export type WriteOutcome = 'ok' | 'limit' | { failed: NodeJS.ErrnoException };

/**
 * The output of one command on disk, a file for each stream, made when its first byte comes. Written by position
 * and synchronously: the bytes lie in a buffer that is used again, and a disk that cannot keep up holds back the
 * command, never the agent's memory.
 */
export class OutputSpool {
  readonly commandId: string;
  readonly #folder: string;
  readonly #limit: number;
  readonly #fds: Partial<Record<Stream, number>> = {};
  readonly #sizes: Record<Stream, number> = { stdout: 0, stderr: 0 };
  /** Also those that hold nothing. */
  readonly #opened = new Set<Stream>();
  #cap: number | undefined;

  /** `limit`: bytes of both streams together. With `sizes` it opens what an earlier process wrote. */
  constructor(options: {
    folder: string;
    commandId: string;
    limit?: number;
    sizes?: Record<Stream, number>;
  }) {
    this.commandId = options.commandId;
    this.#folder = options.folder;
    this.#limit = options.limit ?? Number.MAX_SAFE_INTEGER;
    if (options.sizes) this.#sizes = { ...options.sizes };
  }

  size(stream: Stream): number {
    return this.#sizes[stream];
  }

  /** Appends. `limit`: the cap is reached, and what was below it is kept. */
  write(stream: Stream, bytes: Uint8Array): WriteOutcome {
    try {
      const room = this.#room() - this.#sizes.stdout - this.#sizes.stderr;
      const kept = bytes.length > room ? bytes.subarray(0, Math.max(0, room)) : bytes;
      const fd = this.#open(stream);
      for (let done = 0; done < kept.length; ) {
        const count = writeSync(fd, kept, done, kept.length - done, this.#sizes[stream]);
        done += count;
        this.#sizes[stream] += count;
      }
      return kept.length < bytes.length ? 'limit' : 'ok';
    } catch (cause) {
      return { failed: cause as NodeJS.ErrnoException };
    }
  }

  /** Fills `into` from `offset`; returns how many bytes there were. @throws the system's error. */
  read(stream: Stream, offset: number, into: Uint8Array): number {
    let done = 0;
    while (done < into.length) {
      const count = readSync(this.#open(stream), into, done, into.length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** Head and tail, as a result carries them. */
  summary(stream: Stream): OutputSummary {
    const size = this.#sizes[stream];
    const part = (from: number, to: number): string => {
      if (to <= from) return '';
      const bytes = Buffer.alloc(to - from);
      return bytes.subarray(0, this.read(stream, from, bytes)).toString('base64');
    };
    const headEnd = Math.min(size, SUMMARY_PART_BYTES);
    const tailStart = Math.max(headEnd, size - SUMMARY_PART_BYTES);
    return { size, head: part(0, headEnd), tail: part(tailStart, size), omitted: tailStart - headEnd };
  }

  /** Closes the files; reading opens them again. */
  release(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const fd = this.#fds[stream];
      if (fd === undefined) continue;
      delete this.#fds[stream];
      closeSync(fd);
    }
  }

  /** Frees the disk space. */
  remove(): void {
    this.release();
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#sizes[stream] === 0 && !this.#opened.has(stream)) continue;
      try {
        rmSync(spoolFile(this.#folder, this.commandId, stream), { force: true });
      } catch {
        // A disk that lets nothing go: the next start removes what nobody needs.
      }
    }
  }

  #room(): number {
    this.#cap ??= Math.min(this.#limit, outputRoom(this.#folder));
    return this.#cap;
  }

  #open(stream: Stream): number {
    const known = this.#fds[stream];
    if (known !== undefined) return known;
    const fd = openSync(
      spoolFile(this.#folder, this.commandId, stream),
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
      0o600,
    );
    this.#fds[stream] = fd;
    this.#opened.add(stream);
    return fd;
  }
}

const spoolFile = (folder: string, commandId: string, stream: Stream): string =>
  join(folder, `${commandId}.${stream}`);

export function prepareSpoolFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Bytes of a stream that are on disk from an earlier process; 0 when there is no file. */
export function spooledSize(folder: string, commandId: string, stream: Stream): number {
  let fd: number;
  try {
    fd = openSync(spoolFile(folder, commandId, stream), constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return 0;
  }
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}
