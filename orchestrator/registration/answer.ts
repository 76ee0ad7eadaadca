import { isoTime } from '../../base/clock.ts';
import { renewalTime, shareOf } from '../../protocol/renewal.ts';
import type { RenewResponse } from '../../protocol/rest-registration.ts';
import type { Authority } from '../ca/authority.ts';
import type { Row } from '../store/tables.ts';

export type StoredCertificate = Pick<
  Row<'certificates'>,
  'fingerprint' | 'chain' | 'not_before' | 'not_after'
>;

/** When an agent should renew (ms since the epoch); each answer says the same. */
export const renewAfter = (certificate: StoredCertificate): number =>
  renewalTime(
    { notBeforeMs: Number(certificate.not_before), notAfterMs: Number(certificate.not_after) },
    shareOf(certificate.fingerprint),
  );

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
