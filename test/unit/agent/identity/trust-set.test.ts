import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { judgeTrust } from '../../../../agent/identity/trust-set.ts';
import { keyId } from '../../../../base/dsse.ts';
import type { TrustStatement } from '../../../../protocol/trust-update.ts';
import { createAuthority, crossSigned, signTrust } from '../../../fakes/authority.ts';

const command = generateKeyPairSync('ed25519');
const spki = command.publicKey.export({ type: 'spki', format: 'der' });
const kid = keyId(spki);
const keys = { organization_id: 'org-1', trust_domain: 'td', keys: [{ kid, key: spki.toString('base64') }] };
const [one, two, three, stranger] = [
  await createAuthority(),
  await createAuthority(),
  await createAuthority(),
  await createAuthority(),
];
const issuing = await createAuthority('issuing', one);
const kept = { keys, pins: { bundle_version: 5, roots: [one.pin] } };

const statement = (over: Partial<TrustStatement>, signer = command.privateKey) =>
  signTrust(
    { org_id: 'org-1', trust_domain: 'td', version: 6, roots: [one.pem], ...over },
    { kid, privateKey: signer },
  );

it('[cert-40] takes a newer set whose roots a pinned one vouches for, over several rotations', async () => {
  const vouchers = [one.pem, await crossSigned(two, one), two.pem, await crossSigned(three, two)];
  const verdict = judgeTrust(statement({ roots: [three.pem], vouchers }), kept);
  expect(verdict).toMatchObject({ kind: 'new', pins: { bundle_version: 6, roots: [three.pin] } });
});

it('[cert-40] leaves out of a set what no pinned root vouches for', () => {
  const verdict = judgeTrust(statement({ roots: [one.pem, stranger.pem] }), kept);
  expect(verdict).toMatchObject({ kind: 'new', pins: { roots: [one.pin] } });
});

it('knows the set that it keeps', () => {
  expect(judgeTrust(statement({ version: 5 }), kept).kind).toBe('kept');
});

it.each<[string, () => Promise<Parameters<typeof judgeTrust>[0]>]>([
  ['is older', async () => statement({ version: 4 })],
  ['has the version of another set', async () => statement({ version: 5, roots: [stranger.pem] })],
  ['names a signing root that nobody vouches for', async () => statement({ roots: [stranger.pem, one.pem] })],
  [
    'names a root that an issuing key vouches for',
    async () =>
      statement({
        roots: [stranger.pem],
        vouchers: [issuing.pem, await crossSigned(stranger, issuing)],
      }),
  ],
  [
    'names a root that vouches for itself alone',
    async () => statement({ roots: [stranger.pem], vouchers: [await crossSigned(stranger, stranger)] }),
  ],
  ['is signed by another key', async () => statement({}, generateKeyPairSync('ed25519').privateKey)],
  ['is for another organization', async () => statement({ org_id: 'org-2' })],
  ['holds no certificate', async () => statement({ roots: ['hello'] })],
])('[cert-40] refuses a set that %s', async (_, make) => {
  expect(judgeTrust(await make(), kept).kind).toBe('refused');
});
