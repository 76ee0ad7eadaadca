import { isoTime } from '../../base/clock.ts';
import { BACKDATE_S, RENEW_AT, RENEW_JITTER } from '../../protocol/certificate-profile.ts';
import type { RenewResponse } from '../../protocol/rest-registration.ts';
import type { Authority } from '../ca/authority.ts';
import type { Row } from '../store/tables.ts';

export type StoredCertificate = Pick<
  Row<'certificates'>,
  'fingerprint' | 'chain' | 'not_before' | 'not_after'
>;

/**
 * When an agent should renew (ms since the epoch): half of the life that it was given, give or take a tenth, so
 * that a fleet enrolled together does not renew together. It comes from the fingerprint: each answer says the same.
 */
export function renewAfter(certificate: StoredCertificate): number {
  const start = Number(certificate.not_before) + BACKDATE_S * 1000;
  const life = Number(certificate.not_after) - start;
  const share = Number.parseInt(certificate.fingerprint.slice(0, 8), 16) / 0xffff_ffff;
  return start + life * (RENEW_AT + (share * 2 - 1) * RENEW_JITTER);
}

/** The part of an answer that registration and renewal share. */
export async function certificateAnswer(
  authority: Authority,
  organizationId: string,
  certificate: StoredCertificate,
  now: number,
): Promise<RenewResponse> {
  const bundle = await authority.bundle(organizationId);
  return {
    certificate: certificate.chain,
    ca_certificate: bundle.certificates.join(''),
    ca_certificates: bundle.certificates,
    bundle_version: bundle.version,
    expires_at: isoTime(Number(certificate.not_after)),
    renew_after: isoTime(renewAfter(certificate)),
    server_time: isoTime(now),
  };
}
