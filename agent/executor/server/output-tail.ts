import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { EXECUTOR_WINDOW } from '../../../protocol/executor.ts';

const CHUNK = 64 * 1024;
// One buffer for all: what is read is written to a socket, which copies it.
const shared = Buffer.allocUnsafeSlow(CHUNK);

/** Where the bytes of one stream come from. */
export interface OutputSource {
  readonly sent: number;
  /** Bytes that count; what was written beyond the command's limit does not. */
  limit: number;
  /** Bytes there are that count. */
  size(): number;
  /** There will be no more, and all has been sent. Asked when the command has ended. */
  done(): boolean;
  acknowledged(offset: number): void;
  /** Hands on what may be sent now; `send` answers false when it can take no more for the moment. */
  pump(send: (offset: number, bytes: Buffer) => boolean): void;
  /** The command has ended. */
  finish(): void;
  /** Of the bytes that count, for the attestation; undefined where hashing them would hold everything else up. */
  sha256(): string | undefined;
  close(): void;
}

/** Output that is hashed for the attestation; hashing more would hold everything else up. */
const HASHED_BYTES = 16 * 1024 * 1024;

/**
 * Reads a file that grows, from an offset on, no further ahead of what was acknowledged than the window. The writer
 * is the command itself: nobody who is slow here holds it back.
 */
export class OutputTail implements OutputSource {
  readonly #path: string;
  #fd: number | undefined;
  #sent: number;
  #acknowledged: number;
  limit = Number.POSITIVE_INFINITY;

  constructor(path: string, offset: number) {
    this.#path = path;
    this.#sent = offset;
    this.#acknowledged = offset;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Bytes in the file that count. */
  size(): number {
    const fd = this.#open();
    return fd === undefined ? 0 : Math.min(fstatSync(fd).size, this.limit);
  }

  done(): boolean {
    return this.#sent >= this.size();
  }

  finish(): void {}

  sha256(): string | undefined {
    const size = this.size();
    if (size > HASHED_BYTES) return undefined;
    const bytes = size === 0 ? Buffer.alloc(0) : readFileSync(this.#path).subarray(0, size);
    return createHash('sha256').update(bytes).digest('hex');
  }

  acknowledged(offset: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(offset, this.#sent));
  }

  pump(send: (offset: number, bytes: Buffer) => boolean): void {
    const fd = this.#open();
    if (fd === undefined) return;
    for (;;) {
      const room = Math.min(
        this.#acknowledged + EXECUTOR_WINDOW - this.#sent,
        this.limit - this.#sent,
        CHUNK,
      );
      if (room <= 0) return;
      const count = readSync(fd, shared, 0, room, this.#sent);
      if (count === 0) return;
      const offset = this.#sent;
      this.#sent += count;
      if (!send(offset, shared.subarray(0, count))) return;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number | undefined {
    if (this.#fd !== undefined) return this.#fd;
    try {
      this.#fd = openSync(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    }
    return this.#fd;
  }
}
