import { BACKDATE_S, RENEW_AT, RENEW_JITTER } from './certificate-profile.ts';

/** The dates of a certificate, ms since the epoch. */
export interface Validity {
  notBeforeMs: number;
  notAfterMs: number;
}

/**
 * When a certificate was made. NotBefore lies {@link BACKDATE_S} earlier, so the life that is halved begins here: of
 * a certificate of a minute the half of (NotAfter − NotBefore) is long past when it is made. One that was made by
 * other rules, and is shorter than that, begins at its NotBefore.
 */
export function issuedAt({ notBeforeMs, notAfterMs }: Validity): number {
  const made = notBeforeMs + BACKDATE_S * 1000;
  return made < notAfterMs ? made : notBeforeMs;
}

const lifeOf = (validity: Validity): number => validity.notAfterMs - issuedAt(validity);

/**
 * When to renew: at half of its life, a tenth of its life earlier or later, so that a fleet that was enrolled
 * together does not come at once. `share` says where in between, from 0 to 1.
 */
export const renewalTime = (validity: Validity, share: number): number =>
  Math.round(issuedAt(validity) + lifeOf(validity) * (RENEW_AT + (share * 2 - 1) * RENEW_JITTER));

/**
 * The share of one certificate, from its SHA-256 (hex): the orchestrator and the agent, also after a restart, come to
 * the same time without keeping it.
 */
export const shareOf = (fingerprint: string): number =>
  Number.parseInt(fingerprint.slice(0, 8), 16) / 0xffff_ffff;

export const RETRY_MOST_MS = 3_600_000;
const RETRY_LEAST_MS = 60_000;
/** Of a certificate of a few seconds there is no minute to wait. */
const RETRY_FLOOR_MS = 500;

/** After a failure: a twentieth of what is left, between a minute (less for a short life) and an hour, plus up to a fifth. */
export function retryTime(nowMs: number, validity: Validity, share: number): number {
  const least = Math.min(RETRY_LEAST_MS, Math.max(RETRY_FLOOR_MS, lifeOf(validity) / 40));
  const wait = Math.min(RETRY_MOST_MS, Math.max(least, (validity.notAfterMs - nowMs) / 20));
  return nowMs + wait * (1 + 0.2 * share);
}

/** Renewal is over at three fifths of a life at the latest: with less than this share left, it fails. */
const LATE_SHARE = 1 / 3;

/** Whether a certificate should have been renewed by now. */
export const isLate = (validity: Validity, nowMs: number): boolean =>
  validity.notAfterMs - nowMs < lifeOf(validity) * LATE_SHARE;
