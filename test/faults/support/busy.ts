import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { every, systemClock } from '../../../base/clock.ts';
import { isFull } from './size.ts';

const LOOK_MS = 250;
/** A timer that comes so late had to wait for a processor, and a sync that takes so long for the disk. */
const LATE_MS = 1000;
/** What was begun while there was none is still being caught up with. */
const AFTERMATH_MS = 2000;
/** Programs that want to run at once, for each processor: the short run shares its machine with other tests. */
const TOO_MANY = isFull ? Number.POSITIVE_INFINITY : 3;

/**
 * Notes when this process, which has the priority of all others of the test, was not let run, or could not bring a byte
 * to the disk that all of them use; nothing is said about promptness then.
 */
export function watchMachine() {
  const busy: { from: number; to: number }[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'vma-busy-'));
  const file = openSync(join(folder, 'byte'), 'w');
  let due = systemClock.now() + LOOK_MS;
  let isSyncing = false;
  let isStopped = false;

  function sync(): void {
    if (isSyncing) return;
    isSyncing = true;
    const began = systemClock.now();
    writeSync(file, '.', 0);
    fdatasync(file, () => {
      isSyncing = false;
      if (isStopped) return close();
      const now = systemClock.now();
      if (now - began > LATE_MS) busy.push({ from: began, to: now + AFTERMATH_MS });
    });
  }
  function close(): void {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }

  const timer = every(systemClock, LOOK_MS, () => {
    const [load = 0] = loadavg();
    const now = systemClock.now();
    if (now - due > LATE_MS || load / availableParallelism() > TOO_MANY)
      busy.push({ from: due - LATE_MS, to: now + AFTERMATH_MS });
    due = now + LOOK_MS;
    sync();
  });
  return {
    busy,
    stop() {
      timer.cancel();
      isStopped = true;
      if (!isSyncing) close();
    },
  };
}
