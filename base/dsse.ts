import { createHash, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { type Envelope, preAuthEncoding } from '../protocol/dsse.ts';

export interface SigningKey {
  kid: string;
  privateKey: KeyObject;
}

/** Short name of an Ed25519 public key: the first 16 hex digits of the SHA-256 of its SPKI DER. */
export const keyId = (spkiDer: Uint8Array): string =>
  createHash('sha256').update(spkiDer).digest('hex').slice(0, 16);

/** @throws when the bytes are no Ed25519 public key. */
export function ed25519PublicKey(spkiDerBase64: string): KeyObject {
  const key = createPublicKey({ key: Buffer.from(spkiDerBase64, 'base64'), format: 'der', type: 'spki' });
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`expected an Ed25519 key, got ${key.asymmetricKeyType}`);
  return key;
}

export function signEnvelope(payloadType: string, payload: unknown, key: SigningKey): Envelope {
  const bytes = Buffer.from(JSON.stringify(payload));
  const signature = sign(null, preAuthEncoding(payloadType, bytes), key.privateKey);
  return {
    payload_type: payloadType,
    payload: bytes.toString('base64'),
    signatures: [{ kid: key.kid, sig: signature.toString('base64') }],
  };
}

/**
 * The exact payload bytes, if one of the signatures is by a key of `keys` and the type is the expected one; else
 * undefined. Parse them only after this.
 */
export function openEnvelope(
  envelope: Envelope,
  payloadType: string,
  keys: ReadonlyMap<string, KeyObject>,
): Buffer | undefined {
  if (envelope.payload_type !== payloadType) return undefined;
  const payload = Buffer.from(envelope.payload, 'base64');
  const signed = preAuthEncoding(payloadType, payload);
  const genuine = envelope.signatures.some(({ kid, sig }) => {
    const key = keys.get(kid);
    return key !== undefined && verify(null, signed, key, Buffer.from(sig, 'base64'));
  });
  return genuine ? payload : undefined;
}

export const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

/** SPKI of an Ed25519 key up to the 32 raw bytes (RFC 8410 § 4). */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

export const rawEd25519 = (key: KeyObject): Uint8Array =>
  key.export({ type: 'spki', format: 'der' }).subarray(ED25519_SPKI.length);

export const ed25519OfRaw = (publicKey: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([ED25519_SPKI, publicKey]), format: 'der', type: 'spki' });

/** What checkpoints are checked with; keys are the 32 raw bytes. */
export const noteCrypto = {
  sha256,
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    verify(null, message, ed25519OfRaw(publicKey), signature),
} as const;
