import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
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
