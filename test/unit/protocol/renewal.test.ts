import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BACKDATE_S } from '../../../protocol/certificate-profile.ts';
import { isLate, issuedAt, renewalTime, retryTime, shareOf } from '../../../protocol/renewal.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const DAY = 24 * 3_600_000;

/** A certificate that was made at this time, to live so long. */
const made = (at: number, life: number) => ({ notBeforeMs: at - BACKDATE_S * 1000, notAfterMs: at + life });

const aLife = fc.integer({ min: 5 * SECOND, max: 30 * DAY });
const aTime = fc.integer({ min: 0, max: 4_000_000_000_000 });
const aShare = fc.double({ min: 0, max: 1, noNaN: true });

describe('when to renew [cert-1]', () => {
  it('lies between 40 and 60 percent of each life, whatever was drawn', () => {
    fc.assert(
      fc.property(aTime, aLife, aShare, (at, life, share) => {
        const after = renewalTime(made(at, life), share) - at;
        expect(after).toBeGreaterThanOrEqual(Math.floor(0.4 * life));
        expect(after).toBeLessThanOrEqual(Math.ceil(0.6 * life));
      }),
    );
  });

  it('counts from when the certificate was made, not from its NotBefore ten minutes earlier', () => {
    expect(renewalTime(made(DAY, MINUTE), 0.5)).toBe(DAY + 30 * SECOND);
    expect(issuedAt(made(DAY, MINUTE))).toBe(DAY);
  });

  it('is within the life of a certificate that was made by other rules, too', () => {
    const short = { notBeforeMs: DAY, notAfterMs: DAY + MINUTE };
    expect(renewalTime(short, 0.5)).toBe(DAY + 30 * SECOND);
  });

  it('spreads a fleet over the fifth that there is', () => {
    const shares = fc.sample(fc.stringMatching(/^[0-9a-f]{64}$/), 1000).map(shareOf);
    expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    const means = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(means).toBeGreaterThan(0.3);
    expect(means).toBeLessThan(0.7);
  });
});

describe('after a failed renewal', () => {
  it('the next try comes before the end, sooner as the end nears', () => {
    fc.assert(
      fc.property(aTime, aLife, aShare, aShare, (at, life, gone, share) => {
        // Until a tenth is left, from the time of renewal on.
        const now = at + life * (0.4 + 0.5 * gone);
        const next = retryTime(now, made(at, life), share);
        expect(next).toBeGreaterThan(now);
        if (life > 20 * SECOND) expect(next).toBeLessThan(at + life);
      }),
    );
  });

  it('it is tried at most once a minute and at least once an hour, in a life of days', () => {
    const month = made(0, 30 * DAY);
    expect(retryTime(15 * DAY, month, 0)).toBe(15 * DAY + 60 * MINUTE);
    expect(retryTime(30 * DAY - SECOND, month, 0)).toBe(30 * DAY - SECOND + MINUTE);
    expect(retryTime(31 * DAY, month, 0)).toBe(31 * DAY + MINUTE);
  });

  it('a certificate of a minute is tried again within seconds', () => {
    expect(retryTime(30 * SECOND, made(0, MINUTE), 0)).toBe(31.5 * SECOND);
    expect(retryTime(2 * MINUTE, made(0, MINUTE), 0)).toBe(2 * MINUTE + 1.5 * SECOND);
  });
});

it('calls a certificate late with less than a third of its life left, and never before it was due', () => {
  expect(isLate(made(0, 30 * DAY), 19 * DAY)).toBe(false);
  expect(isLate(made(0, 30 * DAY), 21 * DAY)).toBe(true);
  fc.assert(
    fc.property(aTime, aLife, aShare, (at, life, share) => {
      const certificate = made(at, life);
      expect(isLate(certificate, renewalTime(certificate, share))).toBe(false);
    }),
  );
});
