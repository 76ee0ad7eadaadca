import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { newId, randomHex } from '../../base/random.ts';
import {
  agentSubjectAltNames,
  LIFETIME_S,
  orchestratorSubjectAltNames,
} from '../../protocol/certificate-profile.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { NewRow, Row } from '../store/tables.ts';
import { type IssuedCertificate, makeCertificate, newP256, spkiOf } from './x509.ts';

type AuthorityRow = Row<'certificate_authorities'>;
type IssuerKind = 'orchestrator' | 'organization';

/** An issuing certificate is replaced when less than this is left; far more than any leaf's life. */
const RENEW_ISSUING_MS = (LIFETIME_S.issuing * 1000) / 2;

export interface CertificateBundle {
  /** PEM each: roots first, then issuing ones. */
  certificates: string[];
  version: number;
}

export interface Authority {
  readonly trustDomain: string;
  /** PEM of the root. */
  readonly root: string;
  /** Hex SHA-256 of the root's DER: what provisioning tokens pin. */
  readonly rootFingerprint: string;
  /** What an agent of this organization trusts and shows; without one, what anybody may ask for. */
  bundle(organizationId?: string): Promise<CertificateBundle>;
  /** PEM: leaf, then issuing certificate. */
  issueAgent(request: {
    organizationId: string;
    agentId: string;
    publicKey: Uint8Array;
  }): Promise<IssuedCertificate & { chain: string }>;
  issueOrchestrator(names: {
    dns: readonly string[];
    ips: readonly string[];
  }): Promise<IssuedCertificate & { chain: string; key: string }>;
  /** Makes an issuing key; returns what stores it, in the transaction that makes the organization. */
  prepareOrganization(organizationId: string): Promise<(tx: Queryable) => Promise<void>>;
  /** Whether an issuing certificate of the organization signed this one. */
  hasIssued(organizationId: string, certificate: X509Certificate): Promise<boolean>;
  /** Replaces issuing certificates that are past half of their life, or warns when the root's key is away. */
  renewIssuing(): Promise<void>;
}

const sealName = (id: string): string => `ca-key:${id}`;

function openKey(sealer: Sealer, row: AuthorityRow): KeyObject {
  if (row.sealed_key === null) {
    throw new AppError('unavailable', {
      detail: `The key of the ${row.kind} certificate authority is not on this machine.`,
      hint: 'Bring the key back to sign with it.',
    });
  }
  const der = sealer.open(sealName(row.id), row.sealed_key);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

const current = (db: Queryable, kind: AuthorityRow['kind'], organizationId: string | null) =>
  db
    .selectFrom('certificate_authorities')
    .selectAll()
    .where('kind', '=', kind)
    .where('organization_id', 'is', organizationId)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc');

interface AuthorityOptions {
  store: Store;
  sealer: Sealer;
  clock: Clock;
  log: Logger;
  /** Asked for on the command line; fixed by the first start. */
  trustDomain?: string | undefined;
}

async function newAuthorityRow(
  options: { sealer: Sealer; clock: Clock; trustDomain: string },
  what: { kind: AuthorityRow['kind']; organizationId: string | null },
  root?: { pem: string; key: KeyObject },
): Promise<{ row: NewRow<'certificate_authorities'>; pem: string; key: KeyObject }> {
  const { sealer, clock, trustDomain } = options;
  const keys = await newP256();
  const now = clock.now();
  const made = await makeCertificate({
    subject: {
      organization: trustDomain,
      commonName:
        what.kind === 'root' ? 'vm-agent root' : `vm-agent issuing ${what.organizationId ?? 'orchestrator'}`,
    },
    publicKey: spkiOf(keys.publicKey),
    signingKey: root?.key ?? keys.privateKey,
    ...(root ? { issuer: root.pem } : {}),
    kind: what.kind === 'root' ? 'root' : 'issuing',
    nowMs: now,
    lifetimeS: what.kind === 'root' ? LIFETIME_S.root : LIFETIME_S.issuing,
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
    },
  };
}

/**
 * The root, and the issuing key of the orchestrator's own certificates. Made before the transaction and stored in
 * one: whatever number of processes start on an empty store, the first to commit wins and the others take its CA.
 */
async function ensureRoot(options: AuthorityOptions): Promise<{ root: AuthorityRow; trustDomain: string }> {
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
    const made = { sealer, clock, trustDomain };
    const root = await newAuthorityRow(made, { kind: 'root', organizationId: null });
    const own = await newAuthorityRow(made, { kind: 'orchestrator', organizationId: null }, root);
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

export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const { store, sealer, clock, log } = options;
  const { root, trustDomain } = await ensureRoot(options);
  const known = new Map<string, X509Certificate[]>();

  const rootMaterial = () => ({ pem: root.certificate, key: openKey(sealer, root) });
  const newIssuing = (kind: IssuerKind, organizationId: string | null) =>
    newAuthorityRow({ sealer, clock, trustDomain }, { kind, organizationId }, rootMaterial());

  async function issuer(kind: IssuerKind, organizationId: string | null) {
    const row = await current(store.db, kind, organizationId).executeTakeFirstOrThrow();
    return { pem: row.certificate, key: openKey(sealer, row) };
  }

  return {
    trustDomain,
    root: root.certificate,
    rootFingerprint: root.fingerprint,

    async bundle(organizationId) {
      const rows = await store.db
        .selectFrom('certificate_authorities')
        .select(['kind', 'organization_id', 'certificate', 'created_at'])
        .where('not_after', '>', clock.now())
        .where((eb) =>
          eb.or([
            eb('kind', 'in', ['root', 'orchestrator']),
            eb('organization_id', '=', organizationId ?? ''),
          ]),
        )
        .orderBy('created_at')
        .orderBy('id')
        .execute();
      const roots = rows.filter((row) => row.kind === 'root');
      const issuing = rows.filter((row) => row.kind !== 'root');
      return {
        certificates: [...roots, ...issuing].map((row) => row.certificate),
        version: rows.length,
      };
    },

    async issueAgent({ organizationId, agentId, publicKey }) {
      const by = await issuer('organization', organizationId);
      const made = await makeCertificate({
        subject: { organization: organizationId, commonName: agentId },
        publicKey,
        issuer: by.pem,
        signingKey: by.key,
        kind: 'agent',
        names: agentSubjectAltNames({ trustDomain, orgId: organizationId, agentId }),
        nowMs: clock.now(),
        lifetimeS: LIFETIME_S.agentDefault,
      });
      return { ...made, chain: made.pem + by.pem };
    },

    async issueOrchestrator(names) {
      const by = await issuer('orchestrator', null);
      const keys = await newP256();
      const made = await makeCertificate({
        subject: { organization: trustDomain, commonName: 'vm-agent orchestrator' },
        publicKey: spkiOf(keys.publicKey),
        issuer: by.pem,
        signingKey: by.key,
        kind: 'orchestrator',
        names: orchestratorSubjectAltNames({ trustDomain, ...names }),
        nowMs: clock.now(),
        lifetimeS: LIFETIME_S.orchestrator,
      });
      const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return { ...made, chain: made.pem + by.pem, key };
    },

    async prepareOrganization(organizationId) {
      const { row } = await newIssuing('organization', organizationId);
      return async (tx) => {
        await tx.insertInto('certificate_authorities').values(row).execute();
      };
    },

    async hasIssued(organizationId, certificate) {
      const signed = (issuer: X509Certificate) =>
        certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
      if (known.get(organizationId)?.some(signed)) return true;
      const rows = await store.db
        .selectFrom('certificate_authorities')
        .select('certificate')
        .where('organization_id', '=', organizationId)
        .where('kind', '=', 'organization')
        .execute();
      // An issuing certificate never changes its organization, so a good answer may be kept.
      const issuers = rows.map((row) => new X509Certificate(row.certificate));
      known.set(organizationId, issuers);
      return issuers.some(signed);
    },

    async renewIssuing() {
      const rows = await store.db
        .selectFrom('certificate_authorities')
        .select(['kind', 'organization_id', (eb) => eb.fn.max('not_after').as('not_after')])
        .where('kind', '!=', 'root')
        .groupBy(['kind', 'organization_id'])
        .execute();
      for (const row of rows) {
        const left = Number(row.not_after) - clock.now();
        if (left > RENEW_ISSUING_MS) continue;
        if (root.sealed_key === null) {
          const days = Math.floor(left / 86_400_000);
          log.error(
            { organization_id: row.organization_id, days_left: days },
            'an issuing certificate must be renewed and the root key is not on this machine: bring it back, or agents stop in time',
          );
          continue;
        }
        const made = await newIssuing(row.kind as IssuerKind, row.organization_id);
        await store.db.insertInto('certificate_authorities').values(made.row).execute();
        log.info({ organization_id: row.organization_id }, 'made a new issuing certificate');
      }
    },
  };
}
