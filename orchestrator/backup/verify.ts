import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { STORE_FILE } from '../data-folder.ts';
import { openStore } from '../store/store.ts';
import { readArchive } from './archive.ts';
import { type BackupReport, MASTER_KEY, type OnProgress, reportOf, SEALED_MASTER_KEY } from './backup.ts';
import { checkKey, checkSchema, findKey, type KeySource } from './which-key.ts';

const NEEDED: readonly string[] = [STORE_FILE, MASTER_KEY, SEALED_MASTER_KEY];

/**
 * Reads a backup through, and says what it is. With a key or a passphrase it tries as well whether the CA in it opens:
 * a backup whose key is another one is found on the day on which it is made.
 * @throws AppError `signature_invalid`, `not_found`, `config_invalid`
 */
export async function verifyBackup(options: {
  file: string;
  key?: Pick<KeySource, 'masterKeyFile' | 'passphrase'> | undefined;
  progress?: OnProgress;
}): Promise<BackupReport> {
  const { file, key, progress } = options;
  const size = (await stat(file).catch(() => undefined))?.size ?? 0;
  let read = 0;
  const count = (bytes: number) => {
    read += bytes;
    progress?.('verify', Math.min(read, size), size);
  };
  if (key === undefined) return reportOf(resolve(file), size, await readArchive(file, { progress: count }));
  const folder = await mkdtemp(join(tmpdir(), 'vm-orchestrator-verify-'));
  try {
    const wanted = (name: string) => NEEDED.includes(name);
    const manifest = await readArchive(file, { folder, wanted, progress: count });
    checkSchema(manifest);
    const found = await findKey(key, manifest, folder);
    const store = await openStore(join(folder, STORE_FILE));
    try {
      await checkKey(store, found.key, found.from);
    } finally {
      await store.close();
    }
    return { ...reportOf(resolve(file), size, manifest), opens: true };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
