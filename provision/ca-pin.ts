import type { X509Certificate } from 'node:crypto';
import { fingerprintOf, parseCertificates, pinnedRoots } from '../agent/identity/certificates.ts';
import { readCaPins, readSecurityFile } from '../agent/identity/credentials.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import { caPinOf } from '../protocol/provisioning-token.ts';

/** The one certificate that is trusted from now on. */
export interface Anchor {
  /** PEM made from the very DER that was hashed. */
  pem: string;
  /** Hex SHA-256 of that DER. */
  fingerprint: string;
}

const anchorOf = (certificate: X509Certificate): Anchor => ({
  pem: certificate.toString(),
  fingerprint: fingerprintOf(certificate),
});

/**
 * Finds the certificate that a token's pin names in what an orchestrator offered. It alone is trusted: another
 * certificate in the same text may be anybody's, since the text came over a connection that nobody vouched for.
 * @throws AppError `ca_mismatch`
 */
export function anchorFromPin(offered: string, pin: string, source: string): Anchor {
  const certificates = parseCertificates(offered);
  if (certificates.length === 0) {
    throw new AppError('ca_mismatch', {
      detail: `${source} holds no certificate.`,
      hint: 'Check that the address is that of a vm-agent orchestrator.',
    });
  }
  const match = certificates.find((certificate) => caPinOf(fingerprintOf(certificate)) === pin);
  if (match === undefined) {
    const seen = certificates.map((certificate) => caPinOf(fingerprintOf(certificate))).join(', ');
    throw new AppError('ca_mismatch', {
      detail: `The CA of ${source} is not the one that the token names (${pin}): it has ${seen}. Nothing was sent.`,
      hint: 'Check --server-url, and make a new token on that orchestrator. A --ca-file may be a copy of before the root was rotated: take a new one, or leave it out. If all is right, somebody is between this machine and the orchestrator.',
    });
  }
  if (!match.ca) {
    throw new AppError('ca_mismatch', {
      detail: `The certificate that the token names in ${source} is not a CA certificate. Nothing was sent.`,
      hint: 'Make a new token on the orchestrator.',
    });
  }
  return anchorOf(match);
}

/** The root that an earlier run installed. */
export function anchorFromFingerprint(ca: string, pins: readonly string[]): Anchor | undefined {
  const [root] = pinnedRoots(ca, pins);
  return root === undefined ? undefined : anchorOf(root);
}

/** The root that this machine was enrolled under; undefined before that. */
export async function installedAnchor(layout: DiskLayout): Promise<Anchor | undefined> {
  const pins = await readCaPins(layout);
  const ca = await readSecurityFile(layout, 'ca');
  return pins && ca ? anchorFromFingerprint(ca, pins.roots) : undefined;
}
