import { z } from 'zod';
import { envelopeSchema } from './dsse.ts';
import { factsSchema } from './facts.ts';
import { agentIdSchema, organizationIdSchema, vmIdSchema } from './ids.ts';
import { labelsSchema } from './provisioning-token.ts';

const MAX_CSR = 16 * 1024;
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits');

/** How a machine proves that it may enroll. Further types are reserved: aws-iid, gcp-identity, azure-attested, tpm. */
export const proofSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('token'), token: z.string().max(4096) }),
]);

export const registerRequestSchema = z
  .object({
    provisioning_token: z.string().max(4096).optional().describe('The same as proof {type: token}'),
    proof: proofSchema.optional(),
    vm_id: vmIdSchema,
    hostname: z.string().min(1).max(255),
    csr_base64: z.base64().max(MAX_CSR).optional().describe('PKCS#10, PEM or DER, in base64'),
    csr: z.string().max(MAX_CSR).optional().describe('Deprecated: PKCS#10 as PEM text'),
    api_key_hash: sha256.describe('SHA-256 of the VM’s local API key; the key itself never leaves the VM'),
    labels: labelsSchema.default({}).describe('Reported by the VM; selectors match them only as agent.KEY'),
    facts: factsSchema,
    protocol: z.number().int().positive().default(1),
    request_id: z.string().max(64).optional(),
    executor_public_key: z.base64().max(1024).optional(),
    machine_hash: z.string().max(128).optional(),
    agent_version: z.string().max(64).optional(),
  })
  .refine((r) => (r.provisioning_token === undefined) !== (r.proof === undefined), {
    message: 'give either provisioning_token or proof',
    path: ['provisioning_token'],
  })
  .refine((r) => (r.csr_base64 === undefined) !== (r.csr === undefined), {
    message: 'give either csr_base64 or csr',
    path: ['csr_base64'],
  });
export type RegisterRequest = z.input<typeof registerRequestSchema>;

export const registerResponseSchema = z.object({
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  organization_id: organizationIdSchema,
  certificate: z.string().describe('PEM: the agent’s certificate, then the issuing certificate'),
  ca_certificate: z.string().describe('PEM: root certificates first, then issuing ones'),
  ca_certificates: z.array(z.string()).describe('The same, one PEM each'),
  bundle_version: z.number().int().positive(),
  trust_domain: z.string(),
  websocket_url: z.url(),
  heartbeat_interval: z.number().positive(),
  command_key: z.base64().describe('Ed25519 public key of the organization’s command root, SPKI DER'),
  command_key_id: z.string(),
  expires_at: z.iso.datetime(),
  renew_after: z.iso.datetime(),
  server_time: z.iso.datetime(),
  state: z.enum(['active', 'quarantined', 'pending']),
  trust: envelopeSchema
    .optional()
    .describe('The roots to trust from now on, signed by the command root; see trustStatementSchema'),
});
export type RegisterResponse = z.infer<typeof registerResponseSchema>;

export const renewRequestSchema = z.object({ csr_base64: z.base64().max(MAX_CSR) });
export const renewResponseSchema = registerResponseSchema.pick({
  certificate: true,
  ca_certificate: true,
  ca_certificates: true,
  bundle_version: true,
  expires_at: true,
  renew_after: true,
  server_time: true,
});
export type RenewResponse = z.infer<typeof renewResponseSchema>;

/** Answer of `GET /api/v1/agents/{agent_id}/recovery-nonce`; it is the same for agents that do not exist. */
export const recoveryNonceSchema = z.object({
  nonce: z.string().max(256).describe('For one request of this agent'),
  expires_at: z.iso.datetime(),
  server_time: z.iso.datetime(),
});
export type RecoveryNonce = z.infer<typeof recoveryNonceSchema>;

/** The way back of a machine whose certificate ended while it slept. */
export const recoverRequestSchema = z.object({
  certificate: z
    .string()
    .max(32 * 1024)
    .describe('PEM: the certificate that has ended'),
  csr: z.string().max(MAX_CSR).describe('PKCS#10 as PEM, for the same key or a new one'),
  nonce: recoveryNonceSchema.shape.nonce,
  signature: z
    .base64()
    .max(1024)
    .describe('ECDSA with SHA-256 (DER) of recoveryStatement, by the key of the certificate'),
});
export type RecoverRequest = z.infer<typeof recoverRequestSchema>;

/** What the old key signs: this agent, this nonce, and the request for exactly this new certificate. */
export const recoveryStatement = (what: { agentId: string; nonce: string; csrSha256: string }): string =>
  `vm-agent recover v1\n${what.agentId}\n${what.nonce}\n${what.csrSha256}\n`;

export const recoverResponseSchema = z.discriminatedUnion('state', [
  renewResponseSchema.extend({ state: z.literal('active') }),
  z.object({
    state: z.enum(['quarantined', 'pending']),
    vm_id: vmIdSchema,
    reason: z.string().nullable().describe('Code of its quarantine'),
    detail: z.string().describe('What ends it, for people'),
    retry_after: z.number().positive().describe('Seconds until the agent asks again'),
    server_time: z.iso.datetime(),
  }),
]);
export type RecoverResponse = z.infer<typeof recoverResponseSchema>;

/** Answer of `GET /api/v1/agents/{vm_id}/status`, which an agent asks about itself with its own certificate. */
export const ownStatusSchema = z.object({
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  online: z.boolean(),
  last_heartbeat_at: z.iso.datetime().nullable(),
  certificate_expires_at: z.iso.datetime(),
  server_time: z.iso.datetime(),
});
export type OwnStatus = z.infer<typeof ownStatusSchema>;
