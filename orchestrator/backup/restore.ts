import { chmod, lstat, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { syncDirectory, writeFileAtomic } from '../../base/atomic-file.ts';
import { type Clock, isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { demandData, holdDataFolder, STORE_FILE } from '../data-folder.ts';
import { loadMasterKey } from '../store/sealed.ts';
import { openStore } from '../store/store.ts';
import { readArchive } from './archive.ts';
import { MASTER_KEY, type OnProgress, SEALED_MASTER_KEY } from './backup.ts';
import { beginEpoch, epochIsOver, type NewEpoch } from './new-epoch.ts';
import { checkKey, checkSchema, findKey } from './which-key.ts';

export interface RestoreOptions {
  from: string;
  dataDir: string;
  /** A file with the master key, as `serve` keeps it. */
  masterKeyFile: string | undefined;
  passphrase: string | undefined;
  /** Data that is there is moved aside. */
  force: boolean;
  admitKnown: boolean;
  user: string;
  clock: Clock;
  progress?: OnProgress;
}

export interface RestoreReport extends NewEpoch {
  data: string;
  /** Where the data that was there is now. */
  moved_aside: string | null;
}

/** @throws AppError `conflict` when something is there; resolves with whether there is something to move aside. */
async function checkTarget(dataDir: string, force: boolean): Promise<boolean> {
  const names: string[] = await readdir(dataDir).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw new AppError('unavailable', {
      detail: `--data ${dataDir} cannot be used (${cause.code ?? cause.message}).`,
      cause,
    });
  });
  if (names.length === 0) return false;
  if (!force)
    throw new AppError('conflict', {
      detail: `${dataDir} is not empty.`,
      hint: 'Give another --data, or --force: what is there is then moved aside, and nothing of it is deleted.',
    });
  // Whoever serves it would go on writing to what was moved.
  if (names.includes(STORE_FILE)) (await holdDataFolder(dataDir)).release();
  return true;
}

/** Within one second two restores would begin the same epoch; the next one waits behind this. */
async function waitForNextEpoch(clock: Clock): Promise<void> {
  const now = clock.now();
  await clock.sleep(epochIsOver(now) - now);
}

/**
 * Puts a backup where `serve` finds it. It is verified first; everything happens in a folder beside, which gets its
 * name in one step at the end. @throws AppError
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreReport> {
  const { clock, progress } = options;
  const dataDir = resolve(options.dataDir);
  const aside = await checkTarget(dataDir, options.force);
  const folder = await mkdtemp(join(dirname(dataDir), `.${basename(dataDir)}.restoring-`)).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new AppError('unavailable', {
        detail: `No folder can be made in ${dirname(dataDir)} (${cause.code ?? cause.message}).`,
        cause,
      });
    },
  );
  try {
    const size = (await lstat(options.from).catch(() => undefined))?.size ?? 0;
    let read = 0;
    const manifest = await readArchive(options.from, {
      folder,
      progress: (bytes) => {
        read += bytes;
        progress?.('verify', Math.min(read, size), size);
      },
    });
    checkSchema(manifest);
    const { key, from } = await findKey(
      { ...options, besides: options.force ? join(dataDir, MASTER_KEY) : undefined },
      manifest,
      folder,
    );
    const store = await openStore(join(folder, STORE_FILE));
    let begun: NewEpoch;
    try {
      await checkKey(store, key, from);
      await rm(join(folder, SEALED_MASTER_KEY), { force: true });
      await writeFileAtomic(join(folder, MASTER_KEY), key.toString('hex'), { mode: 0o600 });
      begun = await beginEpoch(store, {
        clock,
        backupAt: Date.parse(manifest.made_at),
        source: 'backup',
        admitKnown: options.admitKnown,
        user: options.user,
      });
    } finally {
      await store.close();
    }
    await chmod(folder, 0o700);
    await syncDirectory(folder);
    const moved = aside
      ? `${dataDir}.before-restore-${isoTime(clock.now()).replace(/[-:]|\.\d+/g, '')}`
      : null;
    if (moved !== null) await rename(dataDir, moved);
    else await rmdir(dataDir).catch(() => undefined);
    await rename(folder, dataDir);
    await syncDirectory(dirname(dataDir));
    await waitForNextEpoch(clock);
    return { ...begun, data: dataDir, moved_aside: moved };
  } catch (cause) {
    await rm(folder, { recursive: true, force: true });
    throw cause;
  }
}

/** Says that the data in a folder was put back by other means than `restore`. @throws AppError */
export async function declareRestored(options: {
  dataDir: string;
  admitKnown: boolean;
  user: string;
  clock: Clock;
}): Promise<RestoreReport> {
  const dataDir = resolve(options.dataDir);
  await demandData(dataDir);
  const held = await holdDataFolder(dataDir);
  try {
    const store = await openStore(join(dataDir, STORE_FILE));
    try {
      await checkKey(store, await loadMasterKey(join(dataDir, MASTER_KEY), { mayCreate: false }), MASTER_KEY);
      const { clock, admitKnown, user } = options;
      const begun = await beginEpoch(store, {
        clock,
        backupAt: undefined,
        source: 'in_place',
        admitKnown,
        user,
      });
      await waitForNextEpoch(clock);
      return { ...begun, data: dataDir, moved_aside: null };
    } finally {
      await store.close();
    }
  } finally {
    held.release();
  }
}
