import { createHash, createPublicKey, verify } from 'node:crypto';

// Assertions of the Web Authentication API (https://www.w3.org/TR/webauthn-3/, section 7.2) for keys that are known
// beforehand. Registration, attestation and CBOR have no place here: whoever trusts a key has it as a SPKI.

const FLAG_USER_PRESENT = 0x01;
const FLAG_USER_VERIFIED = 0x04;

export interface Assertion {
  /** All base64url. */
  credential_id: string;
  authenticator_data: string;
  client_data_json: string;
  signature: string;
}

export interface KnownCredential {
  /** base64url */
  credential_id: string;
  /** SubjectPublicKeyInfo, DER, base64. */
  public_key: string;
  rp_id: string;
}

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();

/**
 * Why an assertion over `challenge` is not this credential's; undefined when it is. The user must have been
 * verified by the authenticator (PIN, finger): a touch alone does not say who.
 */
export function assertionProblem(
  assertion: Assertion,
  credential: KnownCredential,
  challenge: Uint8Array,
): string | undefined {
  const bytes = (text: string) => Buffer.from(text, 'base64url');
  if (!bytes(assertion.credential_id).equals(bytes(credential.credential_id)))
    return 'it is another credential’s';
  const clientData = bytes(assertion.client_data_json);
  const problem = clientDataProblem(clientData, credential.rp_id, challenge);
  if (problem !== undefined) return problem;
  const authenticatorData = bytes(assertion.authenticator_data);
  if (authenticatorData.length < 37) return 'its authenticator data is too short';
  if (!authenticatorData.subarray(0, 32).equals(sha256(credential.rp_id)))
    return `it was not made for ${credential.rp_id}`;
  const flags = authenticatorData[32] ?? 0;
  if ((flags & FLAG_USER_PRESENT) === 0) return 'nobody was present at the authenticator';
  if ((flags & FLAG_USER_VERIFIED) === 0) return 'the authenticator did not verify its user';
  const signed = Buffer.concat([authenticatorData, sha256(clientData)]);
  return isSignature(signed, credential.public_key, bytes(assertion.signature))
    ? undefined
    : 'its signature is not valid';
}

function clientDataProblem(json: Buffer, rpId: string, challenge: Uint8Array): string | undefined {
  let data: { type?: unknown; challenge?: unknown; origin?: unknown; crossOrigin?: unknown };
  try {
    data = JSON.parse(json.toString('utf8'));
  } catch {
    return 'its client data cannot be read';
  }
  if (typeof data !== 'object' || data === null) return 'its client data cannot be read';
  if (data.type !== 'webauthn.get') return 'it is no assertion';
  if (typeof data.challenge !== 'string' || !Buffer.from(data.challenge, 'base64url').equals(challenge))
    return 'it was made over something else';
  if (typeof data.origin !== 'string' || !isOriginOf(data.origin, rpId))
    return `it was made by a page that is not ${rpId}’s`;
  if (data.crossOrigin === true) return 'it was made inside another site’s page';
  return undefined;
}

function isOriginOf(origin: string, rpId: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  if (hostname !== rpId && !hostname.endsWith(`.${rpId}`)) return false;
  return protocol === 'https:' || (protocol === 'http:' && hostname === 'localhost');
}

function isSignature(signed: Buffer, spkiBase64: string, signature: Buffer): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spkiBase64, 'base64'), format: 'der', type: 'spki' });
    const hash = HASHES.get(key.asymmetricKeyType ?? '');
    return hash !== undefined && verify(hash, signed, key, signature);
  } catch {
    return false;
  }
}

// ES256 and RS256 hash by SHA-256; EdDSA hashes itself. Browsers are asked for no other keys.
const HASHES: ReadonlyMap<string, string | null> = new Map([
  ['ec', 'sha256'],
  ['rsa', 'sha256'],
  ['ed25519', null],
]);
