import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';

/** Where the kernel tells about itself; tests point these at folders of their own. */
export interface Roots {
  proc: string;
  sys: string;
  run: string;
  etc: string;
}

export const SYSTEM_ROOTS: Roots = { proc: '/proc', sys: '/sys', run: '/run', etc: '/etc' };

// Files of /proc have no size, so Node's readFileSync would read them in chunks of its own; one buffer serves all.
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** A file's whole content as latin1, or as UTF-8 where names of people are in it. '' when it cannot be read. */
export function readText(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    let text = '';
    const parts: Buffer[] = [];
    for (;;) {
      const count = readSync(fd, shared);
      if (count === 0) break;
      if (encoding === 'latin1') text += shared.toString('latin1', 0, count);
      else parts.push(Buffer.from(shared.subarray(0, count)));
    }
    return encoding === 'latin1' ? text : Buffer.concat(parts).toString('utf8');
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}

/**
 * A file of a process (`stat`, `status`, `cmdline`, `cgroup`), which the kernel gives in one piece as far as it fits
 * into 64 KiB: one read is enough. '' when it cannot be read.
 */
export function readRecord(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    return shared.toString(encoding, 0, readSync(fd, shared));
  } catch {
    // The process ended meanwhile.
    return '';
  } finally {
    closeSync(fd);
  }
}

/** Names in a folder; none when it cannot be read. */
export function listNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

const SLICE = 50;
const SLICE_MS = 2;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Calls `each` for every item and lets others have their turn in between, so that thousands hold up nobody. */
export async function inSlices<T>(
  items: readonly T[],
  clock: Pick<Clock, 'monotonic'>,
  each: (item: T) => void,
): Promise<void> {
  let began = clock.monotonic();
  let count = 0;
  for (const item of items) {
    each(item);
    if (++count < SLICE && clock.monotonic() - began < SLICE_MS) continue;
    await nextTurn();
    began = clock.monotonic();
    count = 0;
  }
}
