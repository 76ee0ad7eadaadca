import { type createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { fingerprintOf } from '../../agent/identity/certificates.ts';
import { signEnvelope } from '../../base/dsse.ts';
import { crossSign } from '../../orchestrator/ca/cross-sign.ts';
import { makeCertificate, newP256, spkiOf } from '../../orchestrator/ca/x509.ts';
import { type Envelope, PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import type { TrustStatement } from '../../protocol/trust-update.ts';

/** A certificate that signs others. */
export interface Authority {
  pem: string;
  key: ReturnType<typeof createPrivateKey>;
  /** SHA-256 of its DER, hex. */
  pin: string;
}

/** A root, or an issuing certificate that `by` signed (or itself, for what must be refused). */
export async function createAuthority(
  kind: 'root' | 'issuing' = 'root',
  by?: Pick<Authority, 'pem' | 'key'>,
): Promise<Authority> {
  const keys = await newP256();
  const made = await makeCertificate({
    subject: { organization: 'td', commonName: kind === 'root' ? 'vm-agent root' : 'vm-agent issuing org-1' },
    publicKey: spkiOf(keys.publicKey),
    signingKey: by?.key ?? keys.privateKey,
    ...(by === undefined ? {} : { issuer: by.pem }),
    kind,
    nowMs: Date.now(),
    lifetimeS: 3600,
  });
  return { pem: made.pem, key: keys.privateKey, pin: fingerprintOf(new X509Certificate(made.pem)) };
}

/** The key of `root` as a certificate of `by`: what vouches for a new root. */
export const crossSigned = (
  root: Pick<Authority, 'pem'>,
  by: Pick<Authority, 'pem' | 'key'>,
): Promise<string> => crossSign({ root: root.pem, by: by.pem, key: by.key });

/** A statement of the roots that are trusted from now on, signed by a command root. */
export const signTrust = (
  statement: Pick<TrustStatement, 'org_id' | 'trust_domain' | 'version' | 'roots'> & Partial<TrustStatement>,
  signer: { kid: string; privateKey: KeyObject },
): Envelope =>
  signEnvelope(PAYLOAD_TYPE.trust, { vouchers: [], issuing: '0'.repeat(64), ...statement }, signer);
