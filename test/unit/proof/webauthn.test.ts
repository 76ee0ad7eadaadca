import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { assertionProblem } from '../../../proof/webauthn.ts';
import { createAuthenticator } from '../../fakes/authenticator.ts';

const challenge = createHash('sha256').update('what is approved').digest();
const rpId = 'orchestrator.example.com';

describe('assertions of authenticators', () => {
  it.each(['ec', 'ed25519', 'rsa'] as const)('by a key of type %s are believed', (type) => {
    const key = createAuthenticator({ rpId, type });
    expect(assertionProblem(key.assert(challenge), key.credential, challenge)).toBeUndefined();
  });

  const key = createAuthenticator({ rpId });
  it.each([
    ['another challenge', key.assert(Buffer.alloc(32)), /something else/],
    ['nobody present', key.assert(challenge, { flags: 0x04 }), /nobody was present/],
    ['a touch alone', key.assert(challenge, { flags: 0x01 }), /did not verify its user/],
    ['another host’s authenticator data', key.assert(challenge, { rpId: 'evil.example' }), /not made for/],
    ['a registration', key.assert(challenge, { client: { type: 'webauthn.create' } }), /no assertion/],
    [
      'another site',
      key.assert(challenge, { client: { origin: 'https://evil.example' } }),
      /page that is not/,
    ],
    [
      'a site whose name only ends alike',
      key.assert(challenge, { client: { origin: `https://evil-${rpId}` } }),
      /page that is not/,
    ],
    ['plain HTTP', key.assert(challenge, { client: { origin: `http://${rpId}` } }), /page that is not/],
    ['a frame', key.assert(challenge, { client: { crossOrigin: true } }), /another site’s page/],
  ])('with %s are not', (_what, assertion, problem) => {
    expect(assertionProblem(assertion, key.credential, challenge)).toMatch(problem);
  });

  it('by another key, or with anything changed after the signature, are not', () => {
    const good = key.assert(challenge);
    const other = createAuthenticator({ rpId });
    const stolenName = { ...other.assert(challenge), credential_id: good.credential_id };
    expect(assertionProblem(stolenName, key.credential, challenge)).toMatch(/not valid/);
    expect(assertionProblem(other.assert(challenge), key.credential, challenge)).toMatch(
      /another credential/,
    );
    const counted = Buffer.from(good.authenticator_data, 'base64url');
    counted[36] = 9;
    const changed = { ...good, authenticator_data: counted.toString('base64url') };
    expect(assertionProblem(changed, key.credential, challenge)).toMatch(/not valid/);
    for (const bad of ['', 'AAAA', 'x'.repeat(100)])
      expect(assertionProblem({ ...good, signature: bad }, key.credential, challenge)).toMatch(/not valid/);
    const noJson = { ...good, client_data_json: Buffer.from('null').toString('base64url') };
    expect(assertionProblem(noJson, key.credential, challenge)).toMatch(/cannot be read/);
    const badKey = { ...key.credential, public_key: 'AAAA' };
    expect(assertionProblem(good, badKey, challenge)).toMatch(/not valid/);
  });
});
