import { constants, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { AppError } from '../../protocol/errors.ts';
import { type FileAccess, isWithin, type ProtectedPaths } from './access.ts';
import { fileError } from './file-error.ts';
import { checkKind, realRoots } from './open-for-read.ts';
import {
  checkFileSystem,
  checkPathText,
  checkProcPath,
  type Identity,
  identitiesOf,
  identityOf,
  openEntry,
  pathOf,
  versionOf,
  walk,
} from './walk.ts';

export interface WriteRules {
  access: Pick<FileAccess, 'write'>;
  protectedPaths: Pick<ProtectedPaths, 'unwritable'>;
}

/** A file that is there already, located but not opened for data. */
export interface Existing {
  entry: FileHandle;
  stats: Stats;
  identity: Identity;
  /** Changes with the content. */
  version: string;
}

/** Where a file is to be written: its folder, held open, and its name in it. Closing is the caller's: `await using`. */
export interface WriteTarget extends AsyncDisposable {
  folder: FileHandle;
  name: string;
  /** Its real path. */
  path: string;
  existing: Existing | undefined;
  /**
   * @throws AppError `conflict` unless the folder is still where it was and the name still means `existing`; with
   * `content` also when somebody has written to it.
   */
  checkUnmoved(also?: 'content'): Promise<void>;
}

/**
 * Finds the folder of a file that is to be written. Nothing below the allowed root may be a link, the file may have
 * no second name, and what protects the agent is refused, by whatever path or mount it is reached.
 * @throws AppError: `not_found`, `path_refused`, `forbidden`, `bad_request`.
 */
export async function openForWrite(path: string, rules: WriteRules): Promise<WriteTarget> {
  checkPathText(path);
  const parts = path.slice(1).split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new AppError('path_refused', {
      detail: `${path} is refused: a path that is written must not contain "..", "." or "//", nor end in "/".`,
      hint: 'Name the file by its plain absolute path.',
    });
  try {
    const real = await realTarget(path, rules.access.write);
    checkProcPath(real);
    if (isWithin(real, '/dev') && !isWithin(real, '/dev/shm'))
      throw new AppError('path_refused', {
        detail: `${path} is refused: /dev is for devices, not for files.`,
      });
    return await locate(real, await identitiesOf(rules.protectedPaths.unwritable));
  } catch (cause) {
    throw fileError(cause, path, 'write');
  }
}

/** The path with its allowed root resolved: a root may be reached through links, what lies below may not. */
async function realTarget(path: string, roots: readonly string[]): Promise<string> {
  const real = await realRoots(roots);
  const candidates = roots.flatMap((root, index) => {
    const target = real[index] ?? root;
    return [root, target].filter((named) => isWithin(path, named)).map((named) => ({ named, target }));
  });
  const best = candidates.sort((a, b) => b.named.length - a.named.length)[0];
  if (best === undefined)
    throw new AppError('path_refused', {
      detail: `${path} is not below a folder that this VM's policy.yaml lets this caller write.`,
      hint:
        roots.length === 0 ? 'The policy grants no folder.' : `Granted: ${roots.slice(0, 10).join(', ')}.`,
    });
  return best.named === '/'
    ? path
    : `${best.target === '/' ? '' : best.target}${path.slice(best.named.length)}`;
}

async function locate(path: string, unwritable: ReadonlySet<Identity>): Promise<WriteTarget> {
  const refuseOwn = (identity: Identity) => {
    if (unwritable.has(identity))
      throw new AppError('path_refused', {
        detail: `${path} is refused: no tool changes the agent's own files (policy, configuration, trust, identity, program, state).`,
        hint: 'The owner of the VM changes them on the VM itself.',
      });
  };
  const parts = path.slice(1).split('/');
  const name = parts.pop();
  if (name === undefined || name === '')
    throw new AppError('bad_request', { detail: `${path} is a directory.` });
  const parentPath = `/${parts.join('/')}`;
  const folder = await walk(parts, refuseOwn, (link) => linkRefused(link));
  let existing: Existing | undefined;
  try {
    await checkFileSystem(folder, parentPath, 'write');
    existing = await findExisting(folder, name, path);
    if (existing) refuseOwn(existing.identity);
    const target: WriteTarget = {
      folder,
      name,
      path,
      existing,
      async checkUnmoved(also) {
        const now = await findExisting(folder, name, path);
        await now?.entry.close();
        const same = now?.identity === existing?.identity && (!also || now?.version === existing?.version);
        if (same && (await pathOf(folder)) === parentPath) return;
        throw new AppError('conflict', {
          detail: `${path} was moved or changed by somebody else while it was being written; nothing was changed.`,
          hint: 'Read it again and repeat what is still wanted.',
        });
      },
      async [Symbol.asyncDispose]() {
        await existing?.entry.close();
        await folder.close();
      },
    };
    if ((await pathOf(folder)) !== parentPath) await target.checkUnmoved();
    return target;
  } catch (cause) {
    await existing?.entry.close();
    await folder.close();
    throw cause;
  }
}

const linkRefused = (path: string) =>
  new AppError('path_refused', {
    detail: `${path} is a symbolic link; files are not written through links.`,
    hint: 'Name the real path, without links (readlink -f prints it).',
  });

async function findExisting(folder: FileHandle, name: string, path: string): Promise<Existing | undefined> {
  const entry = await openEntry(folder, name).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
  if (entry === undefined) return undefined;
  try {
    const stats = await entry.stat();
    if (stats.isSymbolicLink()) throw linkRefused(path);
    checkKind(stats, path, 'file');
    if (stats.nlink > 1)
      throw new AppError('path_refused', {
        detail: `${path} has ${stats.nlink} names (hard links); a file with several names is not written.`,
        hint: 'Make a copy with one name, or remove the other names.',
      });
    const exact = await entry.stat({ bigint: true });
    return { entry, stats, identity: identityOf(exact), version: versionOf(exact) };
  } catch (cause) {
    await entry.close();
    throw cause;
  }
}

/** Flags of open(2) that make a new file and follow nothing. */
export const CREATE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
