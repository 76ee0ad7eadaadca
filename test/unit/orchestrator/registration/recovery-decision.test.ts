import { describe, expect, it } from 'vitest';
import {
  askAgainAfter,
  decideRecovery,
  READMISSION_MS,
  type RecoveryFacts,
} from '../../../../orchestrator/registration/recovery-decision.ts';

const NOW = 1_800_000_000_000;
const DAY = 24 * 3600_000;
type Facts = Omit<RecoveryFacts, 'certificate'> & { certificate: Partial<RecoveryFacts['certificate']> };

const decide = ({ certificate = {}, ...facts }: Partial<Facts>) =>
  decideRecovery(
    {
      state: 'active',
      admitWithinS: null,
      ...facts,
      certificate: { revokedAt: null, notAfter: NOW - 10 * DAY, readmittedAt: null, ...certificate },
    },
    NOW,
  );

describe('whether a machine comes back', () => {
  it.each([
    ['quarantine', {}],
    ['issue', { admitWithinS: 11 * 86_400 }],
    ['quarantine', { admitWithinS: 9 * 86_400 }],
    ['issue', { certificate: { readmittedAt: NOW - DAY } }],
    ['quarantine', { certificate: { readmittedAt: NOW - READMISSION_MS - 1 } }],
    ['not_ended', { certificate: { notAfter: NOW + 1 } }],
    ['not_ended', { admitWithinS: 86_400, certificate: { notAfter: NOW + 1 } }],
    ['wait', { state: 'quarantined' }],
    // No rule and no older admission lets somebody out of quarantine.
    ['wait', { state: 'quarantined', admitWithinS: 30 * 86_400, certificate: { readmittedAt: NOW } }],
    ['wait', { state: 'pending', admitWithinS: 30 * 86_400 }],
    [
      'superseded',
      { admitWithinS: 30 * 86_400, certificate: { revokedAt: NOW - 20 * DAY, readmittedAt: NOW } },
    ],
    ['revoked', { state: 'revoked', admitWithinS: 30 * 86_400, certificate: { readmittedAt: NOW } }],
  ] as const)('%s: %j', (decision, facts) => {
    expect(decide(facts)).toBe(decision);
  });

  it('asks soon while somebody may be about to admit it, and seldom later', () => {
    expect([0, 60_000, 20 * 60_000, 30 * DAY].map(askAgainAfter)).toEqual([10, 10, 60, 120]);
  });
});
