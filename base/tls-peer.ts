import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { parseRoleUri, type Role } from '../protocol/certificate-profile.ts';

/** Who is at the other end, as its certificate says and TLS has proved. */
export interface PeerIdentity {
  role: Role;
  /** Hex SHA-256 of the certificate's DER, lower case without colons. */
  fingerprint: string;
  /** Its issuer is found by verifying this: Node does not tell a server the rest of a client's chain. */
  certificate: X509Certificate;
  serial: string;
  notBeforeMs: number;
  notAfterMs: number;
}

export type PeerOutcome =
  | { kind: 'ok'; peer: PeerIdentity }
  | { kind: 'none' }
  | { kind: 'refused'; why: 'not_authorized' | 'no_role' | 'not_yet_valid' | 'expired'; detail: string };

const plain = (fingerprint: string): string => fingerprint.replaceAll(':', '').toLowerCase();

/** URI entries of a SAN as Node prints it; a URI that needs quoting is none of ours. */
function roleOf(certificate: X509Certificate): Role | undefined {
  const uris = (certificate.subjectAltName ?? '')
    .split(', ')
    .filter((entry) => entry.startsWith('URI:'))
    .map((entry) => entry.slice('URI:'.length));
  // More than one URI would leave open which of them counts.
  return uris.length === 1 ? parseRoleUri(uris[0] ?? '') : undefined;
}

/** Reads a certificate that something else has verified. Undefined when it holds no role of ours. */
export function identityOf(certificate: X509Certificate): PeerIdentity | undefined {
  const role = roleOf(certificate);
  if (role === undefined) return undefined;
  return {
    role,
    fingerprint: plain(certificate.fingerprint256),
    certificate,
    serial: certificate.serialNumber.toLowerCase(),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

/** Node types it as an error, and gives the code. */
const isExpiry = (reason: unknown): boolean => String(reason).includes('CERT_HAS_EXPIRED');

/**
 * The identity behind a TLS socket. The dates are checked here again, at each call: Node accepts an expired client
 * certificate on a resumed session, and a socket outlives its certificate. Revocation is the caller's to check.
 */
export function tlsPeer(socket: TLSSocket, nowMs: number): PeerOutcome {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'none' };
  if (!socket.authorized) {
    const own = identityOf(certificate);
    // It counts for nothing; but a machine that slept past its certificate must hear why.
    if (own !== undefined && nowMs >= own.notAfterMs && isExpiry(socket.authorizationError))
      return { kind: 'refused', why: 'expired', detail: `valid to ${certificate.validTo}` };
    return {
      kind: 'refused',
      why: 'not_authorized',
      detail: String(socket.authorizationError ?? 'not verified'),
    };
  }
  const peer = identityOf(certificate);
  if (peer === undefined) return { kind: 'refused', why: 'no_role', detail: 'the certificate holds no role' };
  if (nowMs < peer.notBeforeMs)
    return { kind: 'refused', why: 'not_yet_valid', detail: `valid from ${certificate.validFrom}` };
  if (nowMs >= peer.notAfterMs)
    return { kind: 'refused', why: 'expired', detail: `valid to ${certificate.validTo}` };
  return { kind: 'ok', peer };
}
