import { link, lstat, mkdtemp, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { syncDirectory } from '../../base/atomic-file.ts';
import { type Clock, isoTime } from '../../base/clock.ts';
import { BACKUP_FORMAT, BACKUP_MANIFEST, type BackupManifest } from '../../protocol/backup.ts';
import { AppError } from '../../protocol/errors.ts';
import { demandData, STORE_FILE } from '../data-folder.ts';
import { loadMasterKey } from '../store/sealed.ts';
import { type ArchiveWriter, readArchive, writeArchive } from './archive.ts';
import { sealMasterKey } from './key-file.ts';
import { checkStore, copyStore } from './snapshot.ts';

export const MASTER_KEY = 'master.key';
export const SEALED_MASTER_KEY = 'master.key.sealed';
/** Beside the store: what commands printed, and recordings of terminals. */
export const FOLDERS = ['output', 'recordings'] as const;

export type BackupPhase = 'store' | 'files' | 'verify';
export type OnProgress = (phase: BackupPhase, done: number, total: number) => void;

export interface BackupOptions {
  dataDir: string;
  /** A file that is made, or a folder in which it gets a name with its time. */
  to: string;
  /** How the master key goes with it. */
  masterKey: { kind: 'none' } | { kind: 'plain' } | { kind: 'sealed'; passphrase: string };
  clock: Clock;
  version: string;
  progress?: OnProgress;
}

export interface BackupReport {
  file: string;
  bytes: number;
  manifest: Omit<BackupManifest, 'files'> & { files: number };
  /** A key was tried, and opens the CA in it. */
  opens?: true;
}

export const reportOf = (file: string, bytes: number, manifest: BackupManifest): BackupReport => ({
  file,
  bytes,
  manifest: { ...manifest, files: manifest.files.length },
});

async function targetOf(to: string, now: number): Promise<string> {
  const found = await stat(to).catch(() => undefined);
  if (!found?.isDirectory() && !to.endsWith('/')) return resolve(to);
  if (!found?.isDirectory())
    throw new AppError('config_invalid', { detail: `--to ${to} is no folder.`, hint: 'Make it first.' });
  const name = isoTime(now).replace(/[-:]|\.\d+/g, '');
  return resolve(to, `vm-orchestrator-${name}.tar`);
}

async function refusePresent(file: string): Promise<void> {
  if ((await lstat(file).catch(() => undefined)) === undefined) return;
  throw new AppError('conflict', {
    detail: `${file} is there already.`,
    hint: 'Give another name: a backup never replaces another one.',
  });
}

/** Gives the file its name at once. A name that came meanwhile is not replaced. */
async function publish(file: string, target: string): Promise<void> {
  try {
    await link(file, target);
    await unlink(file);
  } catch (cause) {
    await refusePresent(target);
    // A file system without hard links.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
    await rename(file, target);
  }
}

/** Every plain file below a folder, with its size as of now. */
async function filesBelow(dataDir: string, folder: string): Promise<{ name: string; size: number }[]> {
  const entries = await readdir(join(dataDir, folder), { recursive: true, withFileTypes: true }).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return [];
      throw cause;
    },
  );
  const files: { name: string; size: number }[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const size = (await stat(path).catch(() => undefined))?.size;
    // What retention took away meanwhile.
    if (size !== undefined) files.push({ name: path.slice(resolve(dataDir).length + 1), size });
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function addFiles(
  archive: ArchiveWriter,
  dataDir: string,
  progress: OnProgress | undefined,
): Promise<BackupManifest['files']> {
  const files = (await Promise.all(FOLDERS.map((folder) => filesBelow(dataDir, folder)))).flat();
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const listed: BackupManifest['files'] = [];
  let done = 0;
  for (const { name, size } of files) {
    const path = join(dataDir, name);
    // The store is older than this: whatever it knows of the file is in it, unless the file is gone.
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    listed.push(
      await archive.addFile(name, path, size, (bytes) => {
        done += bytes;
        progress?.('files', done, total);
      }),
    );
  }
  return listed;
}

/**
 * Backs up the data of an orchestrator, also while it serves them. The store is of one moment; files beside it are
 * read after it, and only grow. The file appears under its name when all of it is on disk and was read back.
 * @throws AppError `not_found`, `conflict`, `config_invalid`
 */
export async function makeBackup(options: BackupOptions): Promise<BackupReport> {
  const { clock, progress } = options;
  const dataDir = resolve(options.dataDir);
  await demandData(dataDir);
  const target = await targetOf(options.to, clock.now());
  await refusePresent(target);
  const folder = await mkdtemp(join(dirname(target), `.${basename(target)}.`)).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new AppError('unavailable', {
        detail: `${dirname(target)} takes no new files (${cause.code ?? cause.message}).`,
        hint: 'Give --to a place that exists and that this user may write to.',
        cause,
      });
    },
  );
  try {
    const store = join(folder, STORE_FILE);
    let madeAt = clock.now();
    await copyStore(join(dataDir, STORE_FILE), store, {
      taken: () => {
        madeAt = clock.now();
      },
      ...(progress === undefined ? {} : { progress: (done, total) => progress('store', done, total) }),
    });
    const facts = checkStore(store);
    const file = join(folder, 'backup.tar');
    const archive = await writeArchive(file);
    try {
      const files = [await archive.addFile(STORE_FILE, store, (await stat(store)).size)];
      files.push(...(await addFiles(archive, dataDir, progress)));
      const key = await keyEntry(options, dataDir);
      if (key !== undefined) files.push(await archive.addBytes(key.name, key.bytes));
      const manifest: BackupManifest = {
        format: BACKUP_FORMAT,
        version: 1,
        made_at: isoTime(madeAt),
        program_version: options.version,
        schema: facts.schema,
        ca_fingerprint: facts.caFingerprint,
        organizations: facts.organizations,
        agents: facts.agents,
        master_key: options.masterKey.kind,
        files,
      };
      await archive.addBytes(BACKUP_MANIFEST, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
      await archive.finish();
    } catch (cause) {
      await archive.abandon();
      throw cause;
    }
    const { size } = await stat(file);
    let read = 0;
    const manifest = await readArchive(file, {
      progress: (bytes) => {
        read += bytes;
        progress?.('verify', Math.min(read, size), size);
      },
    });
    await publish(file, target);
    await syncDirectory(dirname(target));
    return reportOf(target, size, manifest);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function keyEntry(
  { masterKey }: BackupOptions,
  dataDir: string,
): Promise<{ name: string; bytes: Uint8Array } | undefined> {
  if (masterKey.kind === 'none') return undefined;
  const path = join(dataDir, MASTER_KEY);
  const key = await loadMasterKey(path, { mayCreate: false });
  if (masterKey.kind === 'plain') return { name: MASTER_KEY, bytes: await readFile(path) };
  const sealed = await sealMasterKey(key, masterKey.passphrase);
  return { name: SEALED_MASTER_KEY, bytes: Buffer.from(`${JSON.stringify(sealed)}\n`) };
}
