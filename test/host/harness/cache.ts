// What takes long to build is built once and kept in the user's cache.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { claim, isErrno, isOwnerAlive, readClaim } from './owner.ts';

export const cacheFolder = join(homedir(), '.cache/vm-agent');

/**
 * The cache's folder of this name, built if it is not there: `build` gets an empty folder to work in and says which
 * folder below it is the result. Safe to call from several processes at once; the second waits for the first.
 */
export async function buildOnce(name: string, build: (work: string) => Promise<string>): Promise<string> {
  const folder = join(cacheFolder, name);
  mkdirSync(cacheFolder, { recursive: true });
  const lock = `${folder}.lock`;
  while (!existsSync(folder)) {
    if (claim(lock)) {
      try {
        if (!existsSync(folder)) await buildInto(folder, build);
      } finally {
        rmSync(lock, { force: true });
      }
    } else {
      dropDeadLock(lock);
      await sleep(200);
    }
  }
  return folder;
}

async function buildInto(folder: string, build: (work: string) => Promise<string>): Promise<void> {
  const work = mkdtempSync(join(cacheFolder, 'building-'));
  try {
    putInPlace(await build(work), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Whoever finishes first wins: after a builder's death two others may have taken its lock over. */
function putInPlace(result: string, folder: string): void {
  try {
    renameSync(result, folder);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'EEXIST')) throw error;
  }
}

function dropDeadLock(lock: string): void {
  const owner = readClaim(lock);
  if (owner !== undefined && !isOwnerAlive(owner)) rmSync(lock, { force: true });
}
