import { X509Certificate } from 'node:crypto';
import { BACKDATE_S } from '../../protocol/certificate-profile.ts';
import { isLate, type Validity } from '../../protocol/renewal.ts';

const DAY_MS = 86_400_000;

/** What is left of a certificate that people renew when they should hear of it. */
const GIVEN_ENDS_MS = 14 * DAY_MS;

/** A certificate that this orchestrator shows to whoever connects. */
export interface ShownCertificate extends Validity {
  /** `own` is made and renewed here; `given` came by --tls-cert, for browsers. */
  kind: 'own' | 'given';
  /** When it is renewed by itself, or tried again; null: by nobody here. */
  renewsAtMs: number | null;
}

/** Of the first certificate in a PEM text, which the server has accepted already. */
export function givenCertificate(pem: string): ShownCertificate {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  return {
    kind: 'given',
    notBeforeMs: validFromDate.getTime(),
    notAfterMs: validToDate.getTime(),
    renewsAtMs: null,
  };
}

/** Whether somebody has to do something about it. Pure. */
export function endsSoon({ kind, ...validity }: ShownCertificate, now: number): boolean {
  if (kind === 'own') return isLate(validity, now);
  const { notBeforeMs, notAfterMs } = validity;
  // Not back-dated by us: its own life counts. Those of a few days are renewed in their last third.
  const third = isLate({ notBeforeMs: notBeforeMs - BACKDATE_S * 1000, notAfterMs }, now);
  return third && notAfterMs - now < GIVEN_ENDS_MS;
}
