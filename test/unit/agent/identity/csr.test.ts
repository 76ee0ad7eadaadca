import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createCsr, createKey, csrMatchesKey } from '../../../../agent/identity/csr.ts';

describe('key and request', () => {
  it('are of P-256 and fit together', async () => {
    const key = createKey();
    expect(createPrivateKey(key).asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    const csr = await createCsr(key, 'vm-web-1-0a1b2c');
    expect(csr).toMatch(/^-----BEGIN CERTIFICATE REQUEST-----\n/);
    expect(await csrMatchesKey(csr, key)).toBe(true);
  });

  it('do not fit another key, nor text that is no request', async () => {
    const csr = await createCsr(createKey(), 'vm-web-1-0a1b2c');
    expect(await csrMatchesKey(csr, createKey())).toBe(false);
    expect(await csrMatchesKey('nothing', createKey())).toBe(false);
  });
});
