import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Store } from '../store/store.ts';
import { openKey, sealName } from './authority-rows.ts';
import { readRoots } from './roots.ts';

interface Options {
  store: Store;
  sealer: Sealer;
  clock: Clock;
  file: string;
  /** Of the file; undefined: the key stands there as it is. */
  passphrase?: string | undefined;
}

async function backupOf({ store }: Options) {
  const { all } = await readRoots(store.db);
  const backup = all.findLast(({ state }) => state === 'backup');
  if (backup !== undefined) return backup;
  throw new AppError('not_found', {
    detail: 'There is no backup root.',
    hint: 'serve makes one at its start, while the key of the root is in the store.',
  });
}

const setKey = async (
  { store, clock }: Options,
  id: string,
  sealed: string | null,
  action: string,
  target: string,
) =>
  store.transaction(async (tx) => {
    await tx
      .updateTable('certificate_authorities')
      .set({ sealed_key: sealed })
      .where('id', '=', id)
      .where('kind', '=', 'root')
      .execute();
    await record(tx, { at: clock.now(), organizationId: null, action, actor: SYSTEM_ACTOR, target });
  });

/**
 * Writes certificate and key of the backup root to a new file, and takes the key out of the store once the file was
 * read back: from then on the file is the only one.
 */
export async function exportBackupKey(
  options: Options & { keep: boolean },
): Promise<{ fingerprint: string }> {
  const backup = await backupOf(options);
  if (backup.sealed_key === null)
    throw new AppError('conflict', {
      detail: `The key of the backup root ${backup.fingerprint.slice(0, 16)}… is not in this store: it was exported before.`,
      hint: 'Look where backup keys are kept. `ca backup-key import` brings it back, and is needed for a rotation to it alone.',
    });
  const key = openKey(options.sealer, backup);
  const { file, passphrase } = options;
  const pem = key
    .export({
      type: 'pkcs8',
      format: 'pem',
      ...(passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }),
    })
    .toString();
  await writeFile(file, `${backup.certificate.trim()}\n${pem}`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  }).catch((cause: NodeJS.ErrnoException) => {
    throw new AppError('bad_request', {
      detail: `${file} cannot be made${cause.code === 'EEXIST' ? ': it is there already' : ` (${cause.code ?? cause.message})`}.`,
      hint:
        cause.code === 'ENOENT'
          ? 'Its folder is not there: is the medium mounted?'
          : 'Name a new file, best on a medium that is not kept with this machine.',
      cause,
    });
  });
  checkKey(backup.certificate, await readFile(file, 'utf8'), passphrase);
  if (!options.keep) await setKey(options, backup.id, null, 'ca.backup_key_export', backup.fingerprint);
  return { fingerprint: backup.fingerprint };
}

/** Brings the key back, for a rotation to the backup root. */
export async function importBackupKey(options: Options): Promise<{ fingerprint: string }> {
  const backup = await backupOf(options);
  const text = await readFile(options.file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new AppError('bad_request', {
      detail: `${options.file} cannot be read (${cause.code ?? cause.message}).`,
      cause,
    });
  });
  const der = checkKey(backup.certificate, text, options.passphrase);
  const sealed = options.sealer.seal(sealName(backup.id), der);
  await setKey(options, backup.id, sealed, 'ca.backup_key_import', backup.fingerprint);
  return { fingerprint: backup.fingerprint };
}

/** PKCS#8 DER of the key in a PEM text. @throws AppError when it is none, or another certificate's. */
function checkKey(certificate: string, text: string, passphrase: string | undefined): Buffer {
  const pem =
    /-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----[\s\S]+-----END (?:ENCRYPTED )?PRIVATE KEY-----/.exec(
      text,
    )?.[0];
  if (pem === undefined) throw new AppError('bad_request', { detail: 'The file holds no private key.' });
  try {
    const key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
    if (createPublicKey(key).equals(new X509Certificate(certificate).publicKey))
      return key.export({ type: 'pkcs8', format: 'der' });
  } catch (cause) {
    throw new AppError('bad_request', {
      detail: 'The private key in the file cannot be read.',
      hint: pem.includes('ENCRYPTED')
        ? passphrase === undefined
          ? 'It is encrypted: give its passphrase by --passphrase-file.'
          : 'The passphrase is not the one that it was exported with, or the file is damaged.'
        : 'Is it damaged?',
      cause,
    });
  }
  throw new AppError('bad_request', {
    detail: 'The private key in the file is not that of the backup root.',
    hint: 'See its fingerprint in `vm-orchestrator ca show`.',
  });
}
