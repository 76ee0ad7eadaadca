import { X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { renewUrl } from '../../../../agent/identity/renew-request.ts';
import { notPutOff, renewalTimeOf, validityOf } from '../../../../agent/identity/renewal.ts';
import { renewAfter } from '../../../../orchestrator/registration/answer.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

it('asks beside the address of the channel', () => {
  expect(renewUrl('wss://o.example:8443/api/v1/agents/vm-a-000000/ws').href).toBe(
    'https://o.example:8443/api/v1/agents/vm-a-000000/renew',
  );
});

it('renews when the orchestrator says, also after a restart: both read it off the certificate', async () => {
  const ca = await createTestCa({ orgId: 'org-01arz3ndektsv4rrffq69g5fav' });
  const { certificate } = await ca.agent('agt-01arz3ndektsv4rrffq69g5fav');
  const { notBeforeMs, notAfterMs } = validityOf(certificate);
  const fingerprint = new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
  const told = renewAfter({
    fingerprint,
    chain: certificate,
    not_before: notBeforeMs,
    not_after: notAfterMs,
  });
  expect(renewalTimeOf(certificate)).toBe(told);
});

it('[fault-15] tries again within hours after a clock that was years ahead was set right', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const tenYears = 10 * 365 * 24 * 3_600_000;
  expect(notPutOff(now + tenYears, now)).toBeLessThanOrEqual(now + 2 * 3_600_000);
  expect(notPutOff(now + 60_000, now)).toBe(now + 60_000);
});
