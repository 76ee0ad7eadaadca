import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '../../../base/clock.ts';
import { current, openKey } from '../../../orchestrator/ca/authority-rows.ts';
import { makeCertificate, newP256, publicKeyHash, spkiOf } from '../../../orchestrator/ca/x509.ts';
import { saveCertificate } from '../../../orchestrator/registration/enrolled.ts';
import { createSealer, loadMasterKey } from '../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../orchestrator/store/store.ts';
import { agentSubjectAltNames, BACKDATE_S } from '../../../protocol/certificate-profile.ts';

/** An issuing certificate with its key. */
export interface Signer {
  pem: string;
  key: KeyObject;
}

export interface Made {
  /** PEM: leaf, then issuing certificate. */
  cert: string;
  key: string;
  fingerprint: string;
  notAfterMs: number;
}

/**
 * The data of an orchestrator that runs, opened beside it as another replica would: a test makes certificates with the
 * keys of its own CA, of lives and for names that the orchestrator itself never gives.
 */
export async function openOwnCa(dataDir: string) {
  const store = await openStore(join(dataDir, 'orchestrator.db'));
  const sealer = createSealer(await loadMasterKey(join(dataDir, 'master.key'), { mayCreate: false }));
  const setting = await store.db
    .selectFrom('settings')
    .select('value')
    .where('key', '=', 'trust_domain')
    .executeTakeFirstOrThrow();
  const trustDomain = setting.value;

  async function signerOf(organizationId: string | null): Promise<Signer> {
    const kind = organizationId === null ? 'root' : 'organization';
    const row = await current(store.db, kind, organizationId).executeTakeFirstOrThrow();
    return { pem: row.certificate, key: openKey(sealer, row) };
  }

  /** A certificate as agents have; `known` enters it into the store, as if it had been given at a registration. */
  async function leaf(what: {
    organizationId: string;
    agentId: string;
    /** Seconds from now; negative: it ended so long ago. */
    lifeS: number;
    by?: Signer;
    known?: boolean;
  }): Promise<Made> {
    const { organizationId, agentId } = what;
    const by = what.by ?? (await signerOf(organizationId));
    const keys = await newP256();
    const now = systemClock.now();
    // Whole lives may lie in the past.
    const nowMs = what.lifeS > 0 ? now : now - (BACKDATE_S + 600) * 1000;
    const lifetimeS = what.lifeS > 0 ? what.lifeS : what.lifeS + BACKDATE_S + 600;
    const issued = await makeCertificate({
      subject: { organization: organizationId, commonName: agentId },
      publicKey: spkiOf(keys.publicKey),
      issuer: by.pem,
      signingKey: by.key,
      kind: 'agent',
      names: agentSubjectAltNames({ trustDomain, orgId: organizationId, agentId }),
      nowMs,
      lifetimeS,
    });
    const chain = issued.pem + by.pem;
    const keyHash = publicKeyHash(spkiOf(createPublicKey(keys.privateKey)));
    if (what.known === true)
      await store.transaction((tx) =>
        saveCertificate(tx, {
          organizationId,
          agentId,
          issued: { ...issued, chain },
          keyHash,
          now,
        }),
      );
    const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { cert: chain, key, fingerprint: issued.fingerprint, notAfterMs: issued.notAfterMs };
  }

  /** An issuing certificate whose life is over, under the root. */
  async function expiredIssuing(organizationId: string): Promise<Signer> {
    const root = await signerOf(null);
    const keys = await newP256();
    const made = await makeCertificate({
      subject: { organization: trustDomain, commonName: `vm-agent issuing ${organizationId}` },
      publicKey: spkiOf(keys.publicKey),
      issuer: root.pem,
      signingKey: root.key,
      kind: 'issuing',
      nowMs: systemClock.now() - 3_600_000,
      lifetimeS: 1800,
    });
    return { pem: made.pem, key: keys.privateKey };
  }

  return { store, trustDomain, signerOf, leaf, expiredIssuing, close: () => store.close() };
}

export type OwnCa = Awaited<ReturnType<typeof openOwnCa>>;
