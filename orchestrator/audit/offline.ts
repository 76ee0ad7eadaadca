import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../../base/dsse.ts';
import { type AuditReport, OWN_LOG } from '../../protocol/audit-log.ts';
import { AppError } from '../../protocol/errors.ts';
import { linesOf } from '../../protocol/lines.ts';
import { type NoteKey, parseVerifierKey } from '../../protocol/signed-note.ts';
import { createSealer, loadMasterKey } from '../store/sealed.ts';
import { openStore } from '../store/store.ts';
import { logInExport } from './export.ts';
import { type KeptElsewhere, logInStore } from './sources.ts';
import { storedWitnesses } from './start-audit.ts';
import { verifyLog } from './verify.ts';

/** Verifies a log on the machine that holds the data, also while nothing serves it. */
export async function verifyData(options: {
  storeFile: string;
  dataDir: string;
  /** Name or identifier; undefined: the orchestrator's own. */
  organization: string | undefined;
  witnesses: readonly KeptElsewhere[];
}): Promise<AuditReport> {
  const store = await openStore(options.storeFile);
  try {
    const sealer = createSealer(
      await loadMasterKey(join(options.dataDir, 'master.key'), { mayCreate: false }),
    );
    const { organization } = options;
    const found =
      organization === undefined
        ? undefined
        : await store.db
            .selectFrom('organizations')
            .select('id')
            .where((eb) => eb.or([eb('id', '=', organization), eb('name', '=', organization)]))
            .executeTakeFirst();
    if (organization !== undefined && found === undefined)
      throw new AppError('not_found', { detail: `There is no organization ${organization} in this data.` });
    const log = found?.id ?? OWN_LOG;
    const stored = await storedWitnesses(store, log);
    return await verifyLog(
      await logInStore(store.db, { sealer, log, witnesses: [...stored, ...options.witnesses] }),
    );
  } finally {
    await store.close();
  }
}

/** Verifies an export, with nothing but the file, and the key that was kept apart from it. */
export async function verifyExport(options: {
  file: string;
  /** Verifier key, or a file with it. */
  key: string | undefined;
  witnesses: readonly KeptElsewhere[];
}): Promise<AuditReport> {
  const pinned = options.key === undefined ? undefined : await readKey(options.key);
  const stream = createReadStream(options.file);
  const opened = new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', (cause) =>
      reject(
        new AppError('not_found', { detail: `${options.file} cannot be read: ${cause.message}.`, cause }),
      ),
    );
  });
  await opened;
  return verifyLog(await logInExport(linesOf(stream), { pinned, witnesses: options.witnesses }));
}

async function readKey(text: string): Promise<NoteKey> {
  const own = parseVerifierKey(sha256, text);
  if (own !== undefined) return own;
  const inFile = await readFile(text, 'utf8').catch(() => '');
  const key = parseVerifierKey(sha256, inFile.trim());
  if (key !== undefined) return key;
  throw new AppError('config_invalid', {
    detail: `--key: ${JSON.stringify(text)} is no verifier key, and no file with one.`,
    hint: 'Take it from `vm-orchestrator audit checkpoint`, once, and keep it: NAME+8 hex digits+base64.',
  });
}
