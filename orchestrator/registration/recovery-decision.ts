/** How long an admission waits for the machine to ask again. */
export const READMISSION_MS = 7 * 24 * 3600_000;

/** What is known of an agent that has proved that it holds the key of a certificate of this CA. */
export interface RecoveryFacts {
  state: 'active' | 'quarantined' | 'pending' | 'revoked';
  certificate: {
    revokedAt: number | null;
    notAfter: number;
    readmittedAt: number | null;
  };
  /** Seconds after the end of a certificate within which nobody is asked; null: somebody always is. */
  admitWithinS: number | null;
}

export type RecoveryDecision =
  | 'issue'
  /** Goes into quarantine now: an operator decides. */
  | 'quarantine'
  /** Is held already, for whatever reason. */
  | 'wait'
  | 'revoked'
  | 'superseded'
  /** The certificate counts: it renews with it, and needs no way back. */
  | 'not_ended';

/** Whether a machine comes back. Pure. */
export function decideRecovery(facts: RecoveryFacts, now: number): RecoveryDecision {
  const { state, certificate, admitWithinS } = facts;
  if (state === 'revoked') return 'revoked';
  if (certificate.revokedAt !== null) return 'superseded';
  if (now < certificate.notAfter) return 'not_ended';
  if (state !== 'active') return 'wait';
  if (admitWithinS !== null && now - certificate.notAfter <= admitWithinS * 1000) return 'issue';
  const { readmittedAt } = certificate;
  return readmittedAt !== null && now - readmittedAt <= READMISSION_MS ? 'issue' : 'quarantine';
}

const ASK_LEAST_S = 10;
const ASK_MOST_S = 120;

/** Seconds until a machine that waits asks again: soon while somebody may be about to admit it, seldom later. */
export const askAgainAfter = (waitingMs: number): number =>
  Math.round(Math.min(ASK_MOST_S, Math.max(ASK_LEAST_S, waitingMs / 20_000)));
