import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupManifest } from '../../protocol/backup.ts';
import { AppError } from '../../protocol/errors.ts';
import { openKey } from '../ca/authority-rows.ts';
import { createSealer } from '../store/sealed.ts';
import { SCHEMAS, type Store } from '../store/store.ts';
import { MASTER_KEY, SEALED_MASTER_KEY } from './backup.ts';
import { openMasterKey } from './key-file.ts';

/** Where the master key of a backup may come from. */
export interface KeySource {
  /** A file with the master key, as `serve` keeps it. */
  masterKeyFile: string | undefined;
  passphrase: string | undefined;
  /** Where else one may lie, if the backup has none. */
  besides?: string | undefined;
}

/** @throws AppError `unsupported` when a later version made it. */
export function checkSchema({ schema, program_version: version }: BackupManifest): void {
  if (SCHEMAS.includes(schema)) return;
  throw new AppError('unsupported', {
    detail: `The backup was made by version ${version}, whose store this version cannot read (${schema}).`,
    hint: 'Restore it with that version or a newer one.',
  });
}

/** The key that the restored store is sealed with: from where it was given, the backup, or what was there before. */
export async function findKey(
  options: KeySource,
  manifest: BackupManifest,
  folder: string,
): Promise<{ key: Buffer; from: string }> {
  const { masterKeyFile, passphrase, besides } = options;
  if (masterKeyFile !== undefined)
    return { key: await readKey(masterKeyFile, '--master-key'), from: `--master-key ${masterKeyFile}` };
  if (manifest.master_key === 'plain')
    return { key: await readKey(join(folder, MASTER_KEY), 'the backup'), from: 'the backup' };
  if (manifest.master_key === 'sealed') {
    if (passphrase === undefined)
      throw new AppError('config_invalid', {
        detail: 'The master key of this backup is sealed with a passphrase.',
        hint: 'Give --passphrase-file FILE, or the key itself: --master-key FILE.',
      });
    const text = await readFile(join(folder, SEALED_MASTER_KEY), 'utf8');
    return { key: await openMasterKey(text, passphrase), from: 'the backup' };
  }
  if (besides !== undefined && (await lstat(besides).catch(() => undefined)) !== undefined)
    return { key: await readKey(besides, '--data'), from: besides };
  throw new AppError('config_invalid', {
    detail: 'The master key is not in this backup.',
    hint: 'Give the master.key that was kept apart from it: --master-key FILE. Without it the CA cannot be used: docs/operations.md says what is left to do.',
  });
}

async function readKey(path: string, what: string): Promise<Buffer> {
  // Not `loadMasterKey`, which also sets modes: this one may lie on a read-only disk.
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new AppError('config_invalid', {
      detail: `${what}: ${path} cannot be read (${cause.code ?? cause.message}).`,
      cause,
    });
  });
  if (/^[0-9a-f]{64}\s*$/.test(text)) return Buffer.from(text.trim(), 'hex');
  throw new AppError('config_invalid', { detail: `${what}: ${path} holds no master key (64 hex digits).` });
}

/** @throws AppError `config_invalid` when the store is sealed with another key. */
export async function checkKey(store: Store, key: Buffer, from: string): Promise<void> {
  const sealer = createSealer(key);
  const authority = await store.db
    .selectFrom('certificate_authorities')
    .selectAll()
    .where('sealed_key', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  try {
    if (authority !== undefined) openKey(sealer, authority);
  } catch (cause) {
    throw new AppError('config_invalid', {
      detail: `The master key from ${from} does not open this store.`,
      hint: 'Give the master.key that belonged to it when the backup was made: --master-key FILE.',
      cause,
    });
  }
}
