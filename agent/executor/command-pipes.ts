import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { mkdir, readdir, unlink } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** One pipe: what the command writes to, and where we read it. */
export interface CommandPipe {
  /** For `stdio` of spawn. Close it once the child has it, or the end of the output never shows. */
  readonly writeFd: number;
  readonly reader: Socket;
}

const run = promisify(execFile);
const BATCH = 32;
const LOW = 8;

/**
 * Real pipes for the output of commands. What Node calls a pipe is a socket, and a command that opens `/dev/stdout`
 * or `/dev/stderr` by name, as `tee /dev/stderr` does, fails on a socket with ENXIO. Node cannot call pipe(2), so
 * named pipes are made in batches ahead of need, and unlinked as soon as both ends are open: each is used once.
 */
export class PipePool {
  readonly #dir: string;
  #ready: string[] = [];
  #filling: Promise<void> | undefined;
  #made = 0;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** `dir` is the pool's own; what an earlier process left in it is removed. */
  static async open(dir: string): Promise<PipePool> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await Promise.all((await readdir(dir)).map((name) => unlink(join(dir, name))));
    const pool = new PipePool(dir);
    await pool.#fill();
    return pool;
  }

  async take(): Promise<CommandPipe> {
    while (this.#ready.length === 0) await this.#fill();
    const path = this.#ready.pop() as string;
    // A failure to refill shows at the take that finds the pool empty.
    if (this.#ready.length < LOW) this.#fill().catch(() => undefined);
    const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const writeFd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
      unlinkSync(path);
      return { writeFd, reader: new Socket({ fd: readFd, readable: true, writable: false }) };
    } catch (cause) {
      closeSync(readFd);
      throw cause;
    }
  }

  async close(): Promise<void> {
    await this.#filling?.catch(() => undefined);
    await Promise.all(this.#ready.splice(0).map((path) => unlink(path)));
  }

  #fill(): Promise<void> {
    this.#filling ??= this.#make().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  async #make(): Promise<void> {
    const paths = Array.from({ length: BATCH }, () => join(this.#dir, `pipe-${process.pid}-${this.#made++}`));
    await run('mkfifo', ['-m', '600', ...paths]);
    this.#ready.push(...paths);
  }
}
