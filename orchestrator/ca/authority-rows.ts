import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { newId, randomHex } from '../../base/random.ts';
import { LIFETIME_S } from '../../protocol/certificate-profile.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { NewRow, Row } from '../store/tables.ts';
import { makeCertificate, newP256, spkiOf } from './x509.ts';

type AuthorityRow = Row<'certificate_authorities'>;

/** Common name of an issuing certificate. Only a root signs one, so the name says whom it is for. */
const issuingName = (organizationId: string | null): string =>
  `vm-agent issuing ${organizationId ?? 'orchestrator'}`;

/**
 * Whether a certificate names an issuing certificate of this organization as its issuer. It proves something where a
 * chain to one of our roots was verified, as TLS does it. Pure.
 */
export const namesIssuer = (
  certificate: X509Certificate,
  trustDomain: string,
  organizationId: string,
): boolean => certificate.issuer === `O=${trustDomain}\nCN=${issuingName(organizationId)}`;

export const sealName = (id: string): string => `ca-key:${id}`;

/** @throws AppError `unavailable` when the key was moved off the machine. */
export function openKey(sealer: Sealer, row: AuthorityRow): KeyObject {
  if (row.sealed_key === null) {
    throw new AppError('unavailable', {
      detail: `The key of the ${row.kind} certificate authority is not on this machine.`,
      hint: 'Bring the key back to sign with it.',
    });
  }
  const der = sealer.open(sealName(row.id), row.sealed_key);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

/** Of one kind and organization, the newest first: that one signs. */
export const current = (db: Queryable, kind: AuthorityRow['kind'], organizationId: string | null) =>
  db
    .selectFrom('certificate_authorities')
    .selectAll()
    .where('kind', '=', kind)
    .where('organization_id', 'is', organizationId)
    .where('state', '=', 'active')
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc');

/** A new key and its certificate, self-signed or signed by the root, ready to be stored. */
export async function newAuthorityRow(
  options: { sealer: Sealer; clock: Clock; trustDomain: string; issuingS?: number | undefined },
  what: { kind: AuthorityRow['kind']; organizationId: string | null },
  root?: { id: string; pem: string; key: KeyObject },
): Promise<{ row: NewRow<'certificate_authorities'>; pem: string; key: KeyObject }> {
  const { sealer, clock, trustDomain } = options;
  const keys = await newP256();
  const now = clock.now();
  const made = await makeCertificate({
    subject: {
      organization: trustDomain,
      commonName: what.kind === 'root' ? 'vm-agent root' : issuingName(what.organizationId),
    },
    publicKey: spkiOf(keys.publicKey),
    signingKey: root?.key ?? keys.privateKey,
    ...(root ? { issuer: root.pem } : {}),
    kind: what.kind === 'root' ? 'root' : 'issuing',
    nowMs: now,
    lifetimeS: what.kind === 'root' ? LIFETIME_S.root : (options.issuingS ?? LIFETIME_S.issuing),
  });
  const id = newId('crt', clock);
  const secret = keys.privateKey.export({ type: 'pkcs8', format: 'der' });
  return {
    pem: made.pem,
    key: keys.privateKey,
    row: {
      id,
      organization_id: what.organizationId,
      kind: what.kind,
      certificate: made.pem,
      fingerprint: made.fingerprint,
      sealed_key: sealer.seal(sealName(id), secret),
      not_after: made.notAfterMs,
      created_at: now,
      issuer_id: root?.id ?? null,
    },
  };
}

/**
 * The root, and the issuing key of the orchestrator's own certificates. Made before the transaction and stored in
 * one: whatever number of processes start on an empty store, the first to commit wins and the others take its CA.
 */
export async function ensureRoot(options: {
  store: Store;
  sealer: Sealer;
  clock: Clock;
  /** Asked for on the command line; fixed by the first start. */
  trustDomain?: string | undefined;
  issuingS?: number | undefined;
}): Promise<{ root: AuthorityRow; trustDomain: string }> {
  const { store, clock, sealer } = options;
  const stored = async (db: Queryable) => {
    const root = await current(db, 'root', null).executeTakeFirst();
    const domain = await db
      .selectFrom('settings')
      .select('value')
      .where('key', '=', 'trust_domain')
      .executeTakeFirst();
    return root && domain ? { root, trustDomain: domain.value } : undefined;
  };
  let found = await stored(store.db);
  if (!found) {
    const trustDomain = options.trustDomain ?? `${randomHex(16)}.vm-agent.internal`;
    const made = { sealer, clock, trustDomain, issuingS: options.issuingS };
    const root = await newAuthorityRow(made, { kind: 'root', organizationId: null });
    const own = await newAuthorityRow(
      made,
      { kind: 'orchestrator', organizationId: null },
      { id: root.row.id, ...root },
    );
    found = await store.transaction(async (tx) => {
      const present = await stored(tx);
      if (present) return present;
      await tx.insertInto('settings').values({ key: 'trust_domain', value: trustDomain }).execute();
      await tx.insertInto('certificate_authorities').values([root.row, own.row]).execute();
      const row = await current(tx, 'root', null).executeTakeFirstOrThrow();
      return { root: row, trustDomain };
    });
  }
  if (options.trustDomain !== undefined && options.trustDomain !== found.trustDomain) {
    throw new AppError('config_invalid', {
      detail: `--trust-domain is ${options.trustDomain}, but the CA of this store was made for ${found.trustDomain}.`,
      hint: 'The trust domain is in every certificate and stays as it is: leave the option out, or use another --data.',
    });
  }
  return found;
}
