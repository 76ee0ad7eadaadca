import { accessSync, constants } from 'node:fs';
import { type Clock, every } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import { keepTidy } from './commands/housekeeping.ts';
import type { Journal } from './commands/journal.ts';
import type { Health } from './health.ts';
import { CONDITION } from './http/health.ts';
import { roomIn, roomText, storageFault } from './storage-fault.ts';

const LOOK_EVERY_MS = 5000;

/** Looks after the journal and the disks until the signal: they report themselves, and go on by themselves. */
export function watchDisks(options: {
  layout: DiskLayout;
  journal: Journal;
  health: Health;
  clock: Clock;
  log: Logger;
  onJournal(ok: boolean, detail: string): void;
  signal: AbortSignal;
}): void {
  const { layout, journal, health, clock, onJournal, signal } = options;
  keepTidy(options);
  const onDisk = health.define(CONDITION.disk, 'degraded', 'not looked at yet');
  const folders = [...new Set([layout.state, layout.log, layout.security])];
  const look = () => {
    const problems = folders.map(problemOf).filter((problem) => problem !== undefined);
    onDisk(problems.length === 0, problems.length === 0 ? 'there is room' : problems.join('; '));
    if (health.isOk(CONDITION.journal)) return;
    try {
      journal.probe();
      onJournal(true, 'writable');
    } catch (cause) {
      const fault = storageFault(layout.state, cause);
      onJournal(false, fault?.message ?? (cause as Error).message);
    }
  };
  look();
  const timer = every(clock, LOOK_EVERY_MS, look);
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}

/** What is wrong with the disk of a folder; undefined: nothing that can be seen without writing. */
function problemOf(folder: string): string | undefined {
  const room = roomIn(folder);
  if (room?.low) return `${folder}: ${roomText(room)}`;
  try {
    accessSync(folder, constants.W_OK);
    return undefined;
  } catch (cause) {
    // Folders that are not there, or not ours by intent, are told of by who needs them.
    const fault = storageFault(folder, cause);
    return fault?.message;
  }
}
