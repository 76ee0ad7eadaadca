import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Mounting needs root. */
export const canMount = process.getuid?.() === 0 && process.platform === 'linux';

const FILL = '.filled-by-a-test';

/** A small file system of a test's own, in memory, which can be filled, emptied, and made read-only. */
export interface Disk extends Disposable {
  /** Until no byte fits any more, also for who has a file open. */
  fill(): void;
  /** Until no file can be made any more, while there is room for bytes. */
  takeInodes(): void;
  /** Removes what `fill` and `takeInodes` made. */
  free(): void;
  setReadOnly(on: boolean): void;
  freeBytes(): number;
}

/** Mounts over the folder `at`, which must exist; what it held is hidden until the end. */
export function mountDisk(at: string, options: { mib: number; inodes?: number }): Disk {
  const mount = (words: string[]) => execFileSync('mount', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let files = 0;
  const more = options.inodes === undefined ? '' : `,nr_inodes=${options.inodes}`;
  mount(['-t', 'tmpfs', '-o', `size=${options.mib}m,mode=0700${more}`, 'vm-agent-test', at]);
  return {
    fill() {
      const fd = openSync(join(at, FILL), 'a');
      try {
        for (let piece = Buffer.alloc(64 * 1024); piece.length > 0; ) {
          try {
            writeSync(fd, piece);
          } catch (cause) {
            if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
            piece = piece.subarray(0, piece.length >> 1);
          }
        }
      } finally {
        closeSync(fd);
      }
    },
    takeInodes() {
      for (;;) {
        try {
          closeSync(openSync(join(at, `${FILL}-${files++}`), 'wx'));
        } catch (cause) {
          if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') return;
          throw cause;
        }
      }
    },
    free() {
      for (const name of readdirSync(at)) if (name.startsWith(FILL)) rmSync(join(at, name));
    },
    setReadOnly(on) {
      mount(['-o', `remount,${on ? 'ro' : 'rw'}`, at]);
    },
    freeBytes() {
      const { bavail, bsize } = statfsSync(at);
      return bavail * bsize;
    },
    [Symbol.dispose]() {
      // Lazily: who still has a file open there is on its way out.
      execFileSync('umount', ['-l', at]);
    },
  };
}
