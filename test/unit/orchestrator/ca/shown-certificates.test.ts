import { expect, it } from 'vitest';
import { endsSoon, type ShownCertificate } from '../../../../orchestrator/ca/shown-certificates.ts';

const DAY = 86_400_000;
const BACKDATE = 600_000;
const lives = (kind: ShownCertificate['kind'], days: number): ShownCertificate => ({
  kind,
  notBeforeMs: kind === 'own' ? -BACKDATE : 0,
  notAfterMs: days * DAY,
  renewsAtMs: null,
});

it.each([
  ['own', 90, 59, false],
  ['own', 90, 61, true],
  ['own', 90, 91, true],
  // Let’s Encrypt is renewed with a third left: that is no news.
  ['given', 90, 61, false],
  ['given', 90, 77, true],
  // Of six days nothing is wrong with five left.
  ['given', 6, 1, false],
  ['given', 6, 5, true],
  ['given', 365, 352, true],
] as const)('%s, of %i days, after %i days: %s', (kind, days, after, expected) => {
  expect(endsSoon(lives(kind, days), after * DAY)).toBe(expected);
});
