import { expect, it } from 'vitest';
import { certificateLeft, colons } from '../../../../orchestrator/dashboard/model/certificate.ts';

const DAY = 86_400_000;
const certificate = { not_before: new Date(0).toISOString(), not_after: new Date(30 * DAY).toISOString() };

it.each([
  [1, 29, 'good'],
  [19, 11, 'good'],
  [22, 8, 'warn'],
  [28.5, 1, 'bad'],
  [31, -1, 'bad'],
])('after %d days %d are left, which is %s', (passed, days, tone) =>
  expect(certificateLeft(certificate, passed * DAY)).toEqual({ days, tone }),
);

it('prints fingerprints in pairs', () => expect(colons('ab01ff')).toBe('AB:01:FF'));
