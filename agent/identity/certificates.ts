import { createPrivateKey, X509Certificate } from 'node:crypto';
import { identityOf, type PeerIdentity } from '../../base/tls-peer.ts';
import { AppError } from '../../protocol/errors.ts';

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in its order. @throws AppError `bad_request` when one cannot be read. */
export function parseCertificates(pem: string): X509Certificate[] {
  return (pem.match(BLOCK) ?? []).map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new AppError('bad_request', {
        detail: `certificate ${index + 1} of the PEM text cannot be read`,
        cause,
      });
    }
  });
}

/** Hex SHA-256 of the DER, lower case without colons. */
export const fingerprintOf = (certificate: X509Certificate): string =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase();

/** Those certificates of a CA bundle that are CAs and whose fingerprint is pinned: the only ones to be trusted. */
export function pinnedRoots(caPem: string, pins: readonly string[]): X509Certificate[] {
  return parseCertificates(caPem).filter(
    (certificate) => certificate.ca && pins.includes(fingerprintOf(certificate)),
  );
}

const within = (certificate: X509Certificate, nowMs: number): boolean =>
  nowMs >= certificate.validFromDate.getTime() && nowMs < certificate.validToDate.getTime();

/** Issuer by name and by signature. */
export const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/**
 * The agent's own certificate, checked before it is used: chain up to a pinned root, dates, its own key, and the
 * role of exactly this agent. Returns the identity that it carries.
 * @throws AppError `step_failed` naming what does not hold.
 */
export function checkOwnCertificate(options: {
  /** PEM: the agent's certificate, then issuing ones. */
  certificate: string;
  roots: readonly X509Certificate[];
  key: string;
  agentId: string;
  nowMs: number;
}): PeerIdentity {
  const refuse = (detail: string): never => {
    throw new AppError('step_failed', { detail: `The agent's certificate is not usable: ${detail}.` });
  };
  const [leaf, ...intermediates] = parseCertificates(options.certificate);
  if (leaf === undefined) return refuse('there is no certificate in the text');
  if (!leaf.checkPrivateKey(createPrivateKey(options.key))) refuse('it belongs to another key');
  if (!within(leaf, options.nowMs)) refuse(`it is valid from ${leaf.validFrom} to ${leaf.validTo}`);
  if (!chainHolds(leaf, intermediates, options.roots, options.nowMs))
    refuse('no chain leads from it to the pinned root certificate');
  const identity = identityOf(leaf);
  if (identity?.role.role !== 'agent' || identity.role.id !== options.agentId)
    return refuse(`it does not carry the role of agent ${options.agentId}`);
  return identity;
}

function chainHolds(
  certificate: X509Certificate,
  intermediates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  nowMs: number,
): boolean {
  if (roots.some((root) => within(root, nowMs) && isSignedBy(certificate, root))) return true;
  const rest = (used: X509Certificate) => intermediates.filter((other) => other !== used);
  return intermediates.some(
    (issuer) =>
      within(issuer, nowMs) &&
      isSignedBy(certificate, issuer) &&
      chainHolds(issuer, rest(issuer), roots, nowMs),
  );
}
