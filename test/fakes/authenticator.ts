import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A security key as browsers use one, for tests: it signs what a page of its host asks for. */
export function createAuthenticator(options: { rpId: string; type?: 'ec' | 'ed25519' | 'rsa' }) {
  const { rpId, type = 'ec' } = options;
  const { privateKey, publicKey } =
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ed25519');
  const credentialId = randomBytes(16).toString('base64url');
  const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest();
  return {
    credential: {
      credential_id: credentialId,
      public_key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      rp_id: rpId,
    },
    assert(
      challenge: Uint8Array,
      over: { flags?: number; rpId?: string; client?: Record<string, unknown> } = {},
    ) {
      const data = Buffer.concat([
        sha256(over.rpId ?? rpId),
        Buffer.from([over.flags ?? 0x05]),
        Buffer.from([0, 0, 0, 7]),
      ]);
      const client = Buffer.from(
        JSON.stringify({
          type: 'webauthn.get',
          challenge: Buffer.from(challenge).toString('base64url'),
          origin: `https://${rpId}:8443`,
          crossOrigin: false,
          ...over.client,
        }),
      );
      const signed = Buffer.concat([data, sha256(client)]);
      const signature = sign(type === 'ed25519' ? null : 'sha256', signed, privateKey);
      return {
        kind: 'webauthn',
        credential_id: credentialId,
        authenticator_data: data.toString('base64url'),
        client_data_json: client.toString('base64url'),
        signature: signature.toString('base64url'),
      } as const;
    },
  };
}
