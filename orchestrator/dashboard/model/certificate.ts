const DAY_MS = 86_400_000;

/** Whole days until it ends, and how much that should worry: agents renew at two thirds of the lifetime. */
export function certificateLeft(
  certificate: { not_before: string; not_after: string },
  now: number,
): { days: number; tone: 'good' | 'warn' | 'bad' } {
  const end = Date.parse(certificate.not_after);
  const left = end - now;
  const life = end - Date.parse(certificate.not_before);
  // A renewal that is due is a matter of hours; one that is still not there after half of the rest went wrong.
  const tone = left <= 0 || left < life / 12 ? 'bad' : left < life / 4 ? 'warn' : 'good';
  return { days: Math.floor(left / DAY_MS), tone };
}

/** Pairs of digits, as tools print fingerprints. */
export const colons = (hex: string): string =>
  hex
    .toUpperCase()
    .match(/.{1,2}/g)
    ?.join(':') ?? hex;
