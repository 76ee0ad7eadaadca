import { z } from 'zod';

/**
 * Signed envelope in the manner of DSSE (https://github.com/secure-systems-lab/dsse): what is signed is the exact
 * payload bytes and their type, so they are verified first and parsed once, afterwards.
 */
export const envelopeSchema = z.object({
  payload_type: z.string().max(128),
  payload: z.base64().describe('Exact payload bytes, base64'),
  signatures: z
    .array(
      z.object({
        kid: z.string().max(64),
        sig: z.base64().describe('Ed25519 over the pre-authentication encoding'),
      }),
    )
    .min(1)
    .max(8),
});
export type Envelope = z.infer<typeof envelopeSchema>;

export const PAYLOAD_TYPE = {
  command: 'application/vnd.vm-agent.command+json',
  delegation: 'application/vnd.vm-agent.key-delegation+json',
  input: 'application/vnd.vm-agent.input+json',
  release: 'application/vnd.vm-agent.release+json',
  attestation: 'application/vnd.vm-agent.attestation+json',
  releaseKeys: 'application/vnd.vm-agent.release-keys+json',
  auditKey: 'application/vnd.vm-agent.audit-key+json',
  auditLine: 'application/vnd.vm-agent.audit-line+json',
  auditHead: 'application/vnd.vm-agent.audit-head+json',
  trust: 'application/vnd.vm-agent.trust+json',
} as const;

/** DSSE v1 pre-authentication encoding: the bytes that a signature covers. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = new TextEncoder().encode(payloadType);
  const head = new TextEncoder().encode(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `);
  const out = new Uint8Array(head.length + payload.length);
  out.set(head, 0);
  out.set(payload, head.length);
  return out;
}

/**
 * A short-lived key that may sign commands for one organization, signed by that organization's command root.
 * It travels beside the commands it signed, so a replica needs no agent's help to rotate.
 */
export const keyDelegationSchema = z.object({
  kid: z.string().max(64),
  /** Ed25519 public key, SPKI DER, base64. */
  key: z.base64(),
  org_id: z.string(),
  not_before: z.iso.datetime(),
  not_after: z.iso.datetime().describe('At most 7 days after not_before'),
  version: z.number().int().positive(),
});
export type KeyDelegation = z.infer<typeof keyDelegationSchema>;
