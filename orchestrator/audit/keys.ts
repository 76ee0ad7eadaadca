import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { keyId, rawEd25519, type SigningKey, sha256 } from '../../base/dsse.ts';
import { formatVerifierKey, type NoteKey, signCheckpoint } from '../../protocol/signed-note.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable } from '../store/store.ts';

/** The key that signs a log's checkpoints and counter-signs its agents' heads. */
export interface LogKey extends NoteKey {
  /** As people pin it. */
  text: string;
  /** For envelopes. */
  signing: SigningKey;
  checkpoint(of: { size: number; root: Uint8Array; retained: number }): string;
}

const sealName = (log: string): string => `audit-key:${log}`;

function keyOf(name: string, privateKey: KeyObject): LogKey {
  const publicObject = createPublicKey(privateKey);
  const publicKey = rawEd25519(publicObject);
  const key = { name, publicKey };
  return {
    ...key,
    text: formatVerifierKey(sha256, key),
    signing: { kid: keyId(publicObject.export({ type: 'spki', format: 'der' })), privateKey },
    checkpoint: (of) =>
      signCheckpoint(
        sha256,
        { origin: name, ...of },
        { ...key, sign: (message) => sign(null, message, privateKey) },
      ),
  };
}

/**
 * A log's key, if it has one. It counts by its sealed private half: whoever can write the store and does not have the
 * master key puts none of his own there.
 * @throws when it does not open with this master key.
 */
export async function findLogKey(db: Queryable, sealer: Sealer, log: string): Promise<LogKey | undefined> {
  const row = await db
    .selectFrom('audit_keys')
    .selectAll()
    .where('organization_id', '=', log)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const der = sealer.open(sealName(log), row.sealed_key);
  return keyOf(row.name, createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

/** Makes a log's key, in the caller's transaction. */
export async function createLogKey(
  tx: Queryable,
  options: { sealer: Sealer; log: string; trustDomain: string; now: number },
): Promise<LogKey> {
  const { sealer, log, trustDomain, now } = options;
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = keyOf(`${trustDomain}/audit/${log}`, privateKey);
  await tx
    .insertInto('audit_keys')
    .values({
      organization_id: log,
      name: key.name,
      public_key: key.text,
      sealed_key: sealer.seal(sealName(log), privateKey.export({ type: 'pkcs8', format: 'der' })),
      created_at: now,
    })
    .execute();
  return key;
}
