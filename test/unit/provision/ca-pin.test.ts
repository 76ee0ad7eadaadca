import { describe, expect, it } from 'vitest';
import { anchorFromPin } from '../../../provision/ca-pin.ts';
import { createTestCa } from '../../fakes/test-ca.ts';

const ORG = 'org-01arz3ndektsv4rrffq69g5fav';
const genuine = await createTestCa({ orgId: ORG });
const foreign = await createTestCa({ orgId: ORG });
const pin = genuine.rootPin.slice(0, 32);

describe('the anchor of trust', () => {
  it('[enroll-1] is the certificate that the token names, and no other of the same text', () => {
    const offered = `${foreign.rootPem}\n${genuine.rootPem}\n${genuine.issuingPem}`;
    const anchor = anchorFromPin(offered, pin, 'https://o');
    expect(anchor.fingerprint).toBe(genuine.rootPin);
    expect(anchor.pem.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(anchor.pem.replace(/\s/g, '')).toBe(genuine.rootPem.replace(/\s/g, ''));
  });

  it('[enroll-1] is refused when none matches, and the text names what was seen', () => {
    expect(() => anchorFromPin(foreign.rootPem, pin, 'https://o')).toThrow(
      expect.objectContaining({
        code: 'ca_mismatch',
        message: expect.stringContaining(foreign.rootPin.slice(0, 32)),
      }),
    );
  });

  it('is refused when the certificate that matches is no CA', async () => {
    const { certificate } = await genuine.orchestrator();
    const leaf = certificate.slice(0, certificate.indexOf('-----END CERTIFICATE-----') + 25);
    const { X509Certificate } = await import('node:crypto');
    const leafPin = new X509Certificate(leaf).fingerprint256.replaceAll(':', '').toLowerCase().slice(0, 32);
    expect(() => anchorFromPin(leaf, leafPin, 'https://o')).toThrow(
      expect.objectContaining({ code: 'ca_mismatch', message: expect.stringContaining('not a CA') }),
    );
  });

  it('is refused when there is no certificate at all', () => {
    expect(() => anchorFromPin('<html>hello</html>', pin, 'https://o')).toThrow(
      expect.objectContaining({ code: 'ca_mismatch', message: expect.stringContaining('no certificate') }),
    );
  });
});
