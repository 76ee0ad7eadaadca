import { describe, expect, it } from 'vitest';
import { renewUrl } from '../../../../agent/identity/renew-request.ts';
import { renewalTime, retryTime } from '../../../../agent/identity/renewal.ts';

const DAY = 24 * 3_600_000;
const validity = { notBeforeMs: 0, notAfterMs: 30 * DAY };

describe('when to renew', () => {
  it('lies at half of the life, a tenth earlier or later', () => {
    expect(renewalTime(validity, () => 0)).toBe(12 * DAY);
    expect(renewalTime(validity, () => 0.5)).toBe(15 * DAY);
    expect(renewalTime(validity, () => 1)).toBeCloseTo(18 * DAY);
  });

  it('comes more often as the end nears, at most once a minute', () => {
    expect(retryTime(15 * DAY, validity, () => 0)).toBe(15 * DAY + 3_600_000);
    expect(retryTime(30 * DAY - 1000, validity, () => 0)).toBe(30 * DAY - 1000 + 60_000);
    expect(retryTime(31 * DAY, validity, () => 0)).toBe(31 * DAY + 60_000);
  });

  it('asks beside the address of the channel', () => {
    expect(renewUrl('wss://o.example:8443/api/v1/agents/vm-a-000000/ws').href).toBe(
      'https://o.example:8443/api/v1/agents/vm-a-000000/renew',
    );
  });
});
