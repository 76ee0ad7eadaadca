import { isLate, issuedAt } from '../../../protocol/renewal.ts';

const DAY_MS = 86_400_000;

/** Whole days until it ends, and how much that should worry: agents renew at half of the life. */
export function certificateLeft(
  certificate: { not_before: string; not_after: string },
  now: number,
): { days: number; tone: 'good' | 'warn' | 'bad' } {
  const validity = {
    notBeforeMs: Date.parse(certificate.not_before),
    notAfterMs: Date.parse(certificate.not_after),
  };
  const left = validity.notAfterMs - now;
  const life = validity.notAfterMs - issuedAt(validity);
  const tone = left < life / 10 ? 'bad' : isLate(validity, now) ? 'warn' : 'good';
  return { days: Math.floor(left / DAY_MS), tone };
}

/** Pairs of digits, as tools print fingerprints. */
export const colons = (hex: string): string =>
  hex
    .toUpperCase()
    .match(/.{1,2}/g)
    ?.join(':') ?? hex;
