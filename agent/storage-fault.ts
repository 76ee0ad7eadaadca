import { statfsSync } from 'node:fs';
import { type DiskFault, diskFault } from '../base/sqlite.ts';
import { AppError } from '../protocol/errors.ts';

export interface Room {
  bytes: number;
  /** Files that can still be made; undefined where the file system has no such limit. */
  files: number | undefined;
  /** So little that the next thing to keep may not fit. */
  low: boolean;
}

/** Free space that is little on any disk; on a small one it is a share of it. */
const LOW_BYTES = 16 * 2 ** 20;
const LOW_FILES = 100;
const LOW_SHARE = 0.02;

/** What is free in a folder's file system; undefined when it does not even say that. */
export function roomIn(folder: string): Room | undefined {
  try {
    const { bavail, blocks, bsize, files, ffree } = statfsSync(folder);
    const bytes = bavail * bsize;
    const low =
      bytes <= Math.min(LOW_BYTES, blocks * bsize * LOW_SHARE) ||
      (files > 0 && ffree <= Math.min(LOW_FILES, files * LOW_SHARE));
    return { bytes, files: files === 0 ? undefined : ffree, low };
  } catch {
    return undefined;
  }
}

/** `12.3 MiB free`, and how many files where that is what is missing. */
export function roomText({ bytes, files }: Room): string {
  const size = bytes < 2 ** 20 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return files !== undefined && files <= LOW_FILES ? `${size} and ${files} files free` : `${size} free`;
}

const WHAT: Readonly<Record<DiskFault, readonly [what: string, hint: string]>> = {
  full: ['is full', 'Free some space on the VM; the agent goes on by itself.'],
  read_only: ['is read-only', 'Mount it writable; the agent goes on by itself.'],
  failing: ['gives errors', 'Look at the VM’s kernel log; the agent goes on by itself when the disk does.'],
  damaged: [
    'holds a damaged database',
    'Stop the agent, move the damaged .db file and those beside it away, and start it again: what it had not delivered is lost.',
  ],
};

/**
 * What a disk did, for a person: which folder, and how much is free there. Undefined when the error is about something
 * else. Code `disk_full`, or `store_unavailable`.
 */
export function storageFault(folder: string, cause: unknown): AppError | undefined {
  const fault = diskFault(cause);
  if (fault === undefined) return undefined;
  const room = roomIn(folder);
  // SQLite reports an I/O error where its helper files do not fit.
  const seen = fault === 'failing' && room?.low ? 'full' : fault;
  const [what, hint] = WHAT[seen];
  const free = room === undefined ? '' : ` (${roomText(room)})`;
  return new AppError(seen === 'full' ? 'disk_full' : 'store_unavailable', {
    detail: `The disk that holds ${folder} ${what}${free}.`,
    hint,
    cause,
  });
}
