import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncDirectory } from '../base/atomic-file.ts';
import type { DiskEntry } from '../protocol/disk-layout.ts';

export interface Ids {
  uid: number;
  gid: number;
}

/** Whose an entry is to be. `service` is undefined before the user exists, and in user mode. */
export interface Owners {
  root: Ids | undefined;
  service: Ids | undefined;
}

export function ownerOf(entry: Omit<DiskEntry, 'path' | 'mode'>, owners: Owners): Ids | undefined {
  const user = owners[entry.owner];
  const group = owners[entry.group ?? entry.owner];
  return user === undefined ? undefined : { uid: user.uid, gid: group?.gid ?? user.gid };
}

export const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return false;
      throw cause;
    },
  );

/** A directory with exactly this mode, whatever the umask. Parents that are missing are made 0755. */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  if (!(await exists(dirname(path)))) await makeDirectory(dirname(path), 0o755);
  // Private until the mode is set, so that it is never open to more people than it should be.
  await mkdir(path, { mode: mode & 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause;
  });
  await chmod(path, mode);
}

/** Whether an entry exists with its mode and, where that is known, its owner. */
export async function isAsPlanned(entry: DiskEntry, owners: Owners): Promise<boolean> {
  if (!(await exists(entry.path))) return false;
  const stat = await lstat(entry.path);
  const owner = ownerOf(entry, owners);
  return (
    (stat.mode & 0o7777) === entry.mode &&
    (owner === undefined || (stat.uid === owner.uid && stat.gid === owner.gid))
  );
}

/**
 * Gives an entry its owner and mode. What is set is the entry itself: in a folder that the service owns it could put a
 * link in a file's place, and must not get root to change what that leads to.
 */
export async function setOwner(entry: DiskEntry, owners: Owners): Promise<void> {
  const owner = ownerOf(entry, owners);
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const handle = await open(entry.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = await handle.stat();
    if (!stat.isDirectory() && (!stat.isFile() || stat.nlink > 1))
      throw new Error(`${entry.path} is not a plain file with one name: look at it, and remove it`);
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
    // Changing the owner clears bits of the mode on some systems, so the mode comes last.
    await handle.chmod(entry.mode);
  } finally {
    await handle.close();
  }
}

/** Points `path` at `target` in one step. */
export async function pointLink(path: string, target: string): Promise<void> {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

export const linkTarget = (path: string): Promise<string | undefined> =>
  readlink(path).catch(() => undefined);

export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Files that a run which was killed was about to put in place (base/atomic-file.ts); one of them may hold a key. */
export async function unfinishedFiles(folders: readonly string[], prefix = ''): Promise<string[]> {
  const found = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(folder).catch(() => []))
        .filter((name) => name.startsWith(prefix) && /\.[0-9a-f]{12}\.tmp$/.test(name))
        .map((name) => join(folder, name)),
    ),
  );
  return found.flat();
}
