import type { ApprovalSignature } from '../../../protocol/approval.ts';
import { ApiError } from './api.ts';

// Security keys by the browser's own Web Authentication API. What they sign is checked by the machines whose policy
// names them, so nothing of them is kept here or at the orchestrator.

const toBase64Url = (bytes: ArrayBuffer): string =>
  toBase64(bytes)
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/={1,2}$/, '');
const toBase64 = (bytes: ArrayBuffer): string => btoa(String.fromCharCode(...new Uint8Array(bytes)));
const fromBase64Url = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
    character.charCodeAt(0),
  );
const fromHex = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export const hasSecurityKeys = (): boolean => typeof globalThis.PublicKeyCredential === 'function';

function said(cause: unknown): ApiError {
  const { name, message } = cause as Error;
  if (name === 'NotAllowedError')
    return new ApiError(0, { detail: 'The security key was not used: it was cancelled, or took too long.' });
  if (name === 'SecurityError')
    return new ApiError(0, {
      detail: 'The security key belongs to another address than this page’s.',
      hint: 'Open the dashboard by the host name that the policy names as rp_id.',
    });
  return new ApiError(0, { detail: message });
}

/** Has one of these credentials sign a digest (hex). @throws ApiError */
export async function signWithKey(options: {
  digest: string;
  rpId: string;
  credentialIds: readonly string[];
}): Promise<ApprovalSignature> {
  const { digest, rpId, credentialIds } = options;
  try {
    const credential = (await navigator.credentials.get({
      publicKey: {
        challenge: fromHex(digest),
        rpId,
        allowCredentials: credentialIds.map((id) => ({ type: 'public-key', id: fromBase64Url(id) })),
        userVerification: 'required',
        timeout: 120_000,
      },
    })) as PublicKeyCredential;
    const response = credential.response as AuthenticatorAssertionResponse;
    return {
      kind: 'webauthn',
      credential_id: toBase64Url(credential.rawId),
      authenticator_data: toBase64Url(response.authenticatorData),
      client_data_json: toBase64Url(response.clientDataJSON),
      signature: toBase64Url(response.signature),
    };
  } catch (cause) {
    throw said(cause);
  }
}

/** Makes a credential for this page's host, as lines of `policy.yaml`. @throws ApiError */
export async function newKeyLines(name: string): Promise<string> {
  try {
    const credential = (await navigator.credentials.create({
      publicKey: {
        // Nobody checks this answer: the owner of a machine takes the key into his policy by hand, or not.
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        rp: { id: location.hostname, name: 'vm-agent' },
        user: { id: crypto.getRandomValues(new Uint8Array(16)), name, displayName: name },
        pubKeyCredParams: [
          { type: 'public-key', alg: -8 },
          { type: 'public-key', alg: -7 },
          { type: 'public-key', alg: -257 },
        ],
        authenticatorSelection: { userVerification: 'required' },
        attestation: 'none',
        timeout: 120_000,
      },
    })) as PublicKeyCredential;
    const key = (credential.response as AuthenticatorAttestationResponse).getPublicKey();
    if (key === null) throw new Error('The browser does not tell the key of this authenticator.');
    return [
      `- name: ${JSON.stringify(name)}`,
      '  webauthn:',
      `    credential_id: ${toBase64Url(credential.rawId)}`,
      `    public_key: ${toBase64(key)}`,
      `    rp_id: ${location.hostname}`,
      '',
    ].join('\n');
  } catch (cause) {
    throw said(cause);
  }
}
