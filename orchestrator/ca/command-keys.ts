import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type Clock, isoTime } from '../../base/clock.ts';
import { keyId, signEnvelope } from '../../base/dsse.ts';
import type { CommandPayload } from '../../protocol/command.ts';
import { type Envelope, type KeyDelegation, PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import type { TerminalInput } from '../../protocol/terminal.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Store } from '../store/store.ts';

const DAY_MS = 86_400_000;
/** Life of a delegated key; it is replaced at half of it, so that a signed command outlives its key's last use. */
const DELEGATION_MS = 7 * DAY_MS;
const BACKDATE_MS = 10 * 60_000;

export interface CommandRoot {
  kid: string;
  /** Ed25519 public key, SPKI DER, base64: what agents keep in `trust/`. */
  publicKey: string;
}

/** Signs for one organization. Synchronous, so that it can be used inside a transaction. */
export interface CommandSigner {
  readonly organizationId: string;
  /** The command's envelope, and beside it the delegation by which agents trust its key. */
  sign(payload: CommandPayload): { envelope: Envelope; delegation: Envelope };
  /** The same for what is typed into a terminal. */
  signInput(payload: TerminalInput): { envelope: Envelope; delegation: Envelope };
}

export interface CommandKeys {
  /** The organization's command root; made with the organization. */
  root(organizationId: string): Promise<CommandRoot>;
  /** To be called before the transaction that signs; cheap once the organization's key is warm. */
  prepareSigner(organizationId: string): Promise<CommandSigner>;
  /** Signs a statement with the organization's command root, which its agents trust from their enrolment on. */
  vouch(organizationId: string, payloadType: string, payload: unknown): Promise<Envelope>;
}

interface WarmSigner extends CommandSigner {
  renewAtMs: number;
}

const sealName = (kid: string): string => `command-key:${kid}`;

function newKey(sealer: Sealer) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const kid = keyId(spki);
  return {
    kid,
    publicKey: spki.toString('base64'),
    sealedKey: sealer.seal(sealName(kid), privateKey.export({ type: 'pkcs8', format: 'der' })),
  };
}

const openKey = (sealer: Sealer, row: { kid: string; sealed_key: string }): KeyObject =>
  createPrivateKey({ key: sealer.open(sealName(row.kid), row.sealed_key), format: 'der', type: 'pkcs8' });

/** Makes an organization's command root, in the transaction that makes the organization. */
export async function createCommandRoot(
  tx: Queryable,
  options: { organizationId: string; sealer: Sealer; now: number },
): Promise<void> {
  const key = newKey(options.sealer);
  await tx
    .insertInto('command_keys')
    .values({
      kid: key.kid,
      organization_id: options.organizationId,
      kind: 'root',
      public_key: key.publicKey,
      sealed_key: key.sealedKey,
      delegation: null,
      not_after: null,
      created_at: options.now,
    })
    .execute();
}

const selectKeys = (db: Queryable, organizationId: string, kind: 'root' | 'delegated') =>
  db
    .selectFrom('command_keys')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('kind', '=', kind)
    .orderBy('created_at', 'desc');

export function createCommandKeys(options: { store: Store; sealer: Sealer; clock: Clock }): CommandKeys {
  const { store, sealer, clock } = options;
  const warm = new Map<string, Promise<WarmSigner>>();

  async function load(organizationId: string): Promise<WarmSigner> {
    const row = await store.transaction(async (tx) => {
      const now = clock.now();
      const usable = await selectKeys(tx, organizationId, 'delegated')
        .where('not_after', '>', now + DELEGATION_MS / 2)
        .limit(1)
        .executeTakeFirst();
      if (usable) return usable;
      const root = await selectKeys(tx, organizationId, 'root').executeTakeFirstOrThrow();
      const older = await selectKeys(tx, organizationId, 'delegated').select('kid').execute();
      const key = newKey(sealer);
      const notAfter = now - BACKDATE_MS + DELEGATION_MS;
      const delegation: KeyDelegation = {
        kid: key.kid,
        key: key.publicKey,
        org_id: organizationId,
        not_before: isoTime(now - BACKDATE_MS),
        not_after: isoTime(notAfter),
        version: older.length + 1,
      };
      const signed = signEnvelope(PAYLOAD_TYPE.delegation, delegation, {
        kid: root.kid,
        privateKey: openKey(sealer, root),
      });
      return tx
        .insertInto('command_keys')
        .values({
          kid: key.kid,
          organization_id: organizationId,
          kind: 'delegated',
          public_key: key.publicKey,
          sealed_key: key.sealedKey,
          delegation: JSON.stringify(signed),
          not_after: notAfter,
          created_at: now,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
    });
    const key = { kid: row.kid, privateKey: openKey(sealer, row) };
    const delegation = JSON.parse(row.delegation ?? '') as Envelope;
    return {
      organizationId,
      renewAtMs: (row.not_after ?? 0) - DELEGATION_MS / 2,
      signInput: (payload) => ({ envelope: signEnvelope(PAYLOAD_TYPE.input, payload, key), delegation }),
      sign: (payload) => ({ envelope: signEnvelope(PAYLOAD_TYPE.command, payload, key), delegation }),
    };
  }

  return {
    async root(organizationId) {
      const row = await selectKeys(store.db, organizationId, 'root').executeTakeFirstOrThrow();
      return { kid: row.kid, publicKey: row.public_key };
    },
    async vouch(organizationId, payloadType, payload) {
      const row = await selectKeys(store.db, organizationId, 'root').executeTakeFirstOrThrow();
      return signEnvelope(payloadType, payload, { kid: row.kid, privateKey: openKey(sealer, row) });
    },
    async prepareSigner(organizationId) {
      const present = await warm.get(organizationId);
      if (present && clock.now() < present.renewAtMs) return present;
      const loading = load(organizationId);
      warm.set(organizationId, loading);
      loading.catch(() => warm.delete(organizationId));
      return loading;
    },
  };
}
