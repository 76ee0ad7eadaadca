import { constants, type Dirent } from 'node:fs';
import { type FileHandle, readdir } from 'node:fs/promises';
import { AppError } from '../../protocol/errors.ts';
import type { Opened } from './open-for-read.ts';
import {
  fdPath,
  type Identity,
  identityOf,
  isKernelFileSystem,
  openAnchor,
  openEntry,
  reopen,
} from './walk.ts';

export interface TreeEntry {
  /** Relative to where the walk began. */
  path: string;
  directory: boolean;
  /** The entry opened for reading when it is a regular file; undefined for all else. */
  openFile(): Promise<FileHandle | undefined>;
}

export interface TreeOptions {
  hidden: boolean;
  /** Directories and files that are passed over. */
  passOver: ReadonlySet<Identity>;
  signal: AbortSignal;
  /** Told of each directory that could not be read. */
  onUnreadable: () => void;
}

interface Level {
  handle: FileHandle;
  prefix: string;
  device: bigint;
  entries: Dirent[];
  next: number;
}

const MAX_DEPTH = 64;

/**
 * Everything below a directory, each directory before what is in it, by name: the same order each time. Links are
 * named and not followed; directories are opened from their parent's descriptor, so that nobody can lead the walk
 * away. File systems of the kernel that are mounted below are passed over.
 */
export async function* walkTree(root: Opened, options: TreeOptions): AsyncGenerator<TreeEntry, void> {
  const { hidden, passOver, signal, onUnreadable } = options;
  if (root.path === '/proc' || root.path.startsWith('/proc/'))
    throw new AppError('path_refused', {
      detail: `${root.path} is not searched: /proc is no folder of files.`,
    });
  const levels: Level[] = [];
  const enter = async (
    handle: FileHandle,
    prefix: string,
    parentDevice: bigint | undefined,
  ): Promise<void> => {
    let kept = false;
    try {
      const stats = await handle.stat({ bigint: true });
      if (passOver.has(identityOf(stats))) return;
      const crossed = parentDevice !== undefined && stats.dev !== parentDevice;
      if (crossed && (await isKernelFileSystem(handle))) return;
      const entries = await readdir(fdPath(handle), { withFileTypes: true });
      entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      levels.push({ handle, prefix, device: stats.dev, entries, next: 0 });
      kept = true;
    } finally {
      if (!kept) await handle.close();
    }
  };
  try {
    await enter(await openAnchor(fdPath(root.handle, '.')), '', undefined);
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      signal.throwIfAborted();
      const entry = level.entries[level.next++];
      if (entry === undefined) {
        levels.pop();
        await level.handle.close();
        continue;
      }
      if (!hidden && entry.name.startsWith('.')) continue;
      const { handle, prefix, device } = level;
      const path = `${prefix}${entry.name}`;
      const directory = entry.isDirectory();
      yield { path, directory, openFile: () => openRegular(handle, entry.name, passOver) };
      if (!directory || levels.length > MAX_DEPTH) continue;
      await openAnchor(fdPath(handle, entry.name))
        .then((child) => enter(child, `${path}/`, device))
        .catch(onUnreadable);
    }
  } finally {
    for (const { handle } of levels) await handle.close();
  }
}

async function openRegular(
  folder: FileHandle,
  name: string,
  passOver: ReadonlySet<Identity>,
): Promise<FileHandle | undefined> {
  const entry = await openEntry(folder, name);
  try {
    const stats = await entry.stat({ bigint: true });
    if (!stats.isFile() || passOver.has(identityOf(stats))) return undefined;
    return await reopen(entry, constants.O_RDONLY);
  } finally {
    await entry.close();
  }
}
