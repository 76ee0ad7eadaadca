import { constants } from 'node:fs';
import { access, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../protocol/errors.ts';
import { dataFailure } from './start-failure.ts';

/** The store's file; a folder without it holds no orchestrator. */
export const STORE_FILE = 'orchestrator.db';
const LOCK_FILE = 'serve.lock';
const PID_FILE = 'serve.pid';
const SQLITE_BUSY = 5;

/**
 * Makes one folder and what is missing above it. Not `mkdir`'s own `recursive`, which never ends where a folder
 * that exists takes no new names and says ENOENT, as /proc does.
 */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      if ((await stat(path)).isDirectory()) return;
      throw cause;
    }
    if (code !== 'ENOENT' || dirname(path) === path) throw cause;
    await makeFolder(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch(async (again: NodeJS.ErrnoException) => {
      // Another process was first.
      if (again.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again;
    });
  }
}

/** A folder that this process may write to. @throws AppError that names the folder and what is wrong with it. */
export async function makeDataFolder(dataDir: string): Promise<void> {
  try {
    await makeFolder(resolve(dataDir));
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw dataFailure(dataDir, cause);
  }
}

/** For who changes what is there and never begins anew. @throws AppError `not_found` */
export async function demandData(dataDir: string): Promise<void> {
  try {
    if ((await stat(join(dataDir, STORE_FILE))).isFile()) return;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw dataFailure(dataDir, cause);
  }
  throw new AppError('not_found', {
    detail: `There is no orchestrator data in ${resolve(dataDir)}.`,
    hint: 'Give the --data of `serve`; nothing was made or changed.',
  });
}

export interface HeldFolder {
  release(): void;
}

/**
 * Keeps a second server away from the same folder: both would give out sequence numbers and write output. The lock
 * is the kernel's, on an open file, and ends with the process however that ends; the pid beside it only helps
 * whoever is refused. `bootstrap` and `admin reset` do not ask for it.
 * @throws AppError `conflict` when another process serves this folder.
 */
export async function holdDataFolder(dataDir: string): Promise<HeldFolder> {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dataDir, LOCK_FILE), { timeout: 0 });
    lock.exec('BEGIN IMMEDIATE');
    await writeFile(join(dataDir, PID_FILE), `${process.pid}\n`, { mode: 0o600 });
  } catch (cause) {
    lock?.close();
    if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw dataFailure(dataDir, cause);
    const pid = (await readFile(join(dataDir, PID_FILE), 'utf8').catch(() => '')).trim();
    throw new AppError('conflict', {
      detail: `Another vm-orchestrator${pid === '' ? '' : ` (pid ${pid})`} serves ${resolve(dataDir)}.`,
      hint: `Stop it first${pid === '' ? '' : ` (kill ${pid})`}, or give this one another --data. \`bootstrap\` and \`admin reset\` work beside it.`,
      cause,
    });
  }
  const held = lock;
  return { release: () => held.close() };
}
