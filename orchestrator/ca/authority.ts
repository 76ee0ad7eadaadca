import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import {
  agentSubjectAltNames,
  DEFAULT_LIFETIMES,
  type Lifetimes,
  orchestratorSubjectAltNames,
} from '../../protocol/certificate-profile.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Store } from '../store/store.ts';
import { current, ensureRoot, newAuthorityRow, openKey } from './authority-rows.ts';
import { crossCertificates, ensureBackup, nextVersion, readRoots } from './roots.ts';
import { type IssuedCertificate, makeCertificate, newP256, spkiOf } from './x509.ts';

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

type IssuerKind = 'orchestrator' | 'organization';

export interface CertificateBundle {
  /** PEM each: roots first, then issuing ones. */
  certificates: string[];
  version: number;
}

export interface Authority {
  readonly trustDomain: string;
  /** PEM of the root that signs now. */
  readonly root: string;
  /** Hex SHA-256 of its DER: what new provisioning tokens pin. */
  readonly rootFingerprint: string;
  /** What agents are to trust, PEM each, the root that signs first; and what vouches for it to those that lag behind. */
  readonly trust: { version: number; roots: readonly string[]; vouchers: readonly string[] };
  /** Every root that a client's certificate may come from. PEM. */
  readonly clientRoots: readonly string[];
  /** Whether a root that is trusted now has this fingerprint, or one that begins so. */
  isTrusted(fingerprint: string): boolean;
  /** SHA-256 of the issuing certificate that agents of this organization get theirs from. */
  issuingFingerprint(organizationId: string): Promise<string>;
  /** That certificate, PEM without the last line's end: chains of agents hold it. */
  issuingOf(organizationId: string): Promise<string>;
  /** Takes over what a rotation wrote into the store. Resolves with whether there was anything new. */
  reload(): Promise<boolean>;
  /** What an agent of this organization trusts and shows; without one, what anybody may ask for. */
  bundle(organizationId?: string): Promise<CertificateBundle>;
  /** PEM: leaf, issuing certificate, and what leads from older roots to its own. */
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

export async function openAuthority(options: {
  store: Store;
  sealer: Sealer;
  clock: Clock;
  log: Logger;
  /** Asked for on the command line; fixed by the first start. */
  trustDomain?: string | undefined;
  lifetimes?: Lifetimes | undefined;
}): Promise<Authority> {
  const { store, sealer, clock, log, lifetimes = DEFAULT_LIFETIMES } = options;
  /** An issuing certificate is replaced when less than this is left; far more than any leaf's life. */
  const renewIssuingMs = (lifetimes.issuing * 1000) / 2;
  const { trustDomain } = await ensureRoot({ ...options, issuingS: lifetimes.issuing });
  await ensureBackup({ store, sealer, clock, trustDomain });
  let roots = await readRoots(store.db);
  const known = new Map<string, X509Certificate[]>();

  const rootMaterial = () => {
    const { active } = roots;
    return { id: active.id, pem: active.certificate, key: openKey(sealer, active) };
  };
  /** Behind each issuing certificate: for who knows only a root of before. */
  const crosses = () => crossCertificates(roots).join('');
  const newIssuing = (kind: IssuerKind, organizationId: string | null) =>
    newAuthorityRow(
      { sealer, clock, trustDomain, issuingS: lifetimes.issuing },
      { kind, organizationId },
      rootMaterial(),
    );

  async function issuer(kind: IssuerKind, organizationId: string | null) {
    const row = await current(store.db, kind, organizationId).executeTakeFirstOrThrow();
    return { pem: row.certificate, key: openKey(sealer, row) };
  }

  return {
    trustDomain,
    get root() {
      return roots.active.certificate;
    },
    get rootFingerprint() {
      return roots.active.fingerprint;
    },
    get trust() {
      return {
        version: roots.version,
        roots: roots.trusted.map((row) => row.certificate),
        vouchers: roots.all.flatMap((row) => [
          ...(row.state === 'retired' ? [row.certificate] : []),
          ...(row.cross_certificate?.match(PEM) ?? []),
        ]),
      };
    },
    // A certificate counts by the store, which knows each that was given: an old root is no risk here.
    get clientRoots() {
      return roots.all.filter((row) => Number(row.not_after) > clock.now()).map((row) => row.certificate);
    },
    isTrusted: (fingerprint) =>
      roots.trusted.some((row) => row.state !== 'backup' && row.fingerprint.startsWith(fingerprint)),
    async issuingFingerprint(organizationId) {
      const row = await current(store.db, 'organization', organizationId).executeTakeFirstOrThrow();
      return row.fingerprint;
    },
    async issuingOf(organizationId) {
      const row = await current(store.db, 'organization', organizationId).executeTakeFirstOrThrow();
      return row.certificate.trim();
    },
    async reload() {
      const before = roots.version;
      roots = await readRoots(store.db);
      return roots.version !== before;
    },

    async bundle(organizationId) {
      const rows = await store.db
        .selectFrom('certificate_authorities')
        .select(['certificate', 'not_after', 'issuer_id'])
        .where((eb) =>
          eb.or([eb('kind', '=', 'orchestrator'), eb('organization_id', '=', organizationId ?? '')]),
        )
        .orderBy('created_at')
        .orderBy('id')
        .execute();
      const { trusted, version } = await readRoots(store.db);
      const issuing = rows.filter(
        (row) => Number(row.not_after) > clock.now() && trusted.some(({ id }) => id === row.issuer_id),
      );
      return { certificates: [...trusted, ...issuing].map((row) => row.certificate), version };
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
        lifetimeS: lifetimes.agent,
      });
      return { ...made, chain: made.pem + by.pem + crosses() };
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
        lifetimeS: lifetimes.orchestrator,
      });
      const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return { ...made, chain: made.pem + by.pem + crosses(), key };
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
        if (left > renewIssuingMs) continue;
        if (roots.active.sealed_key === null) {
          const days = Math.floor(left / 86_400_000);
          log.error(
            { organization_id: row.organization_id, days_left: days },
            'an issuing certificate must be renewed and the root key is not on this machine: bring it back, or agents stop in time',
          );
          continue;
        }
        const made = await newIssuing(row.kind as IssuerKind, row.organization_id);
        // Who signs is part of what agents are told.
        await store.transaction(async (tx) => {
          await tx.insertInto('certificate_authorities').values(made.row).execute();
          await nextVersion(tx);
        });
        log.info({ organization_id: row.organization_id }, 'made a new issuing certificate');
      }
    },
  };
}
