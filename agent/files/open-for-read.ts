import { constants, type Stats } from 'node:fs';
import { type FileHandle, realpath } from 'node:fs/promises';
import { normalize } from 'node:path';
import { AppError } from '../../protocol/errors.ts';
import { type FileAccess, isWithin, type ProtectedPaths } from './access.ts';
import { fileError } from './file-error.ts';
import {
  checkFileSystem,
  checkPathText,
  checkProcPath,
  type Identity,
  identitiesOf,
  identityOf,
  openEntry,
  pathOf,
  reopen,
  walk,
} from './walk.ts';

/** What was opened: `path` is where it really lies. Closing is the caller's: `await using`. */
export interface Opened extends AsyncDisposable {
  handle: FileHandle;
  path: string;
  stats: Stats;
}

export interface ReadRules {
  access: Pick<FileAccess, 'read'>;
  protectedPaths: Pick<ProtectedPaths, 'unreadable'>;
}

/** Somebody who moves things about while we look is given this many chances. */
const ATTEMPTS = 3;

class Moved extends Error {}

/**
 * Opens a file for reading. Links are resolved first and may lead anywhere below the allowed roots; the path that
 * comes out is walked again without links, and the roots are checked on the descriptor.
 * @throws AppError: `not_found`, `path_refused`, `forbidden`, `bad_request`, `conflict`.
 */
export const openFile = (path: string, rules: ReadRules): Promise<Opened> => openForRead(path, rules, 'file');

/** The same for a directory, whose handle anchors further lookups. */
export const openDirectory = (path: string, rules: ReadRules): Promise<Opened> =>
  openForRead(path, rules, 'directory');

async function openForRead(path: string, rules: ReadRules, kind: 'file' | 'directory'): Promise<Opened> {
  checkPathText(path);
  try {
    const roots = [...new Set([...rules.access.read, ...(await realRoots(rules.access.read))])];
    for (let attempt = 1; ; attempt++) {
      try {
        return await attemptOpen(path, roots, rules, kind);
      } catch (cause) {
        if (!(cause instanceof Moved)) throw cause;
        if (attempt === ATTEMPTS)
          throw new AppError('conflict', {
            detail: `${path} is being moved about while it is opened.`,
            hint: 'Try again when nothing moves it.',
            cause,
          });
      }
    }
  } catch (cause) {
    throw fileError(cause, path, 'read');
  }
}

/** The roots themselves may be reached through links: `/var/run`. */
export const realRoots = (roots: readonly string[]): Promise<string[]> =>
  Promise.all(roots.map((root) => realpath(root).catch(() => root)));

async function attemptOpen(
  path: string,
  roots: readonly string[],
  rules: ReadRules,
  kind: 'file' | 'directory',
): Promise<Opened> {
  const resolved = await realpath(path).catch((cause: unknown) => {
    // Who may not look there is not told what is there either.
    checkRoots(normalize(path), path, roots);
    throw cause;
  });
  checkProcPath(resolved);
  checkRoots(resolved, path, roots);
  const unreadable = await identitiesOf(rules.protectedPaths.unreadable);
  const refuseOwn = (identity: Identity) => {
    if (unreadable.has(identity))
      throw new AppError('path_refused', {
        detail: `${path} is refused: it holds the agent's keys or other callers' commands, which no tool reads.`,
      });
  };
  const parts = resolved.split('/').filter((part) => part !== '');
  const name = parts.pop();
  // It had no links a moment ago.
  const moved = () => new Moved();
  const parent = await walk(parts, refuseOwn, moved);
  try {
    const entry = name === undefined ? await walk([], refuseOwn, moved) : await openEntry(parent, name);
    try {
      refuseOwn(identityOf(await entry.stat({ bigint: true })));
      const stats = await entry.stat();
      if (stats.isSymbolicLink() || (await pathOf(entry)) !== resolved) throw new Moved();
      checkKind(stats, resolved, kind);
      await checkFileSystem(entry, resolved, 'read');
      const directory = kind === 'directory' ? constants.O_DIRECTORY : 0;
      const handle = await reopen(entry, constants.O_RDONLY | directory);
      return { handle, path: resolved, stats, [Symbol.asyncDispose]: () => handle.close() };
    } finally {
      await entry.close();
    }
  } finally {
    await parent.close();
  }
}

function checkRoots(resolved: string, asked: string, roots: readonly string[]): void {
  if (roots.some((root) => isWithin(resolved, root))) return;
  throw new AppError('path_refused', {
    detail: `${asked} is not below a folder that this VM's policy.yaml lets this caller read.`,
    hint: roots.length === 0 ? 'The policy grants no folder.' : `Granted: ${roots.slice(0, 10).join(', ')}.`,
  });
}

/** @throws AppError for FIFOs, sockets and devices, and for a directory in a file's place or the reverse. */
export function checkKind(stats: Stats, path: string, wanted: 'file' | 'directory'): void {
  if (wanted === 'file' ? stats.isFile() : stats.isDirectory()) return;
  if (stats.isDirectory())
    throw new AppError('bad_request', {
      detail: `${path} is a directory.`,
      hint: 'list_directory shows what is in it.',
    });
  if (stats.isFile())
    throw new AppError('bad_request', {
      detail: `${path} is a file, not a directory.`,
      hint: 'Use read_file.',
    });
  throw new AppError('path_refused', {
    detail: `${path} is a ${kindOf(stats)}; only regular files and directories are used.`,
  });
}

export type EntryKind =
  | 'file'
  | 'directory'
  | 'link'
  | 'fifo'
  | 'socket'
  | 'block device'
  | 'character device';

export function kindOf(stats: Stats): EntryKind {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'link';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  return stats.isBlockDevice() ? 'block device' : 'character device';
}
