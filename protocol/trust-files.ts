import { z } from 'zod';
import { registerResponseSchema } from './rest-registration.ts';

/** `trust/command_keys.json`: whose signature makes a command one. Keyed by organization. */
export const commandKeysFileSchema = z.object({
  organization_id: z.string(),
  agent_id: z.string(),
  trust_domain: z.string(),
  keys: z
    .array(
      z.object({
        kid: z.string(),
        key: z.base64().describe('Ed25519 public key of the command root, SPKI DER'),
      }),
    )
    .min(1),
});
export type CommandKeysFile = z.infer<typeof commandKeysFileSchema>;

/** `trust/ca_pins.json`: SHA-256 (hex) of the DER of each root that this machine trusts. */
export const caPinsFileSchema = z.object({
  bundle_version: z.number().int().positive(),
  roots: z.array(z.string().regex(/^[0-9a-f]{64}$/)).min(1),
});
export type CaPinsFile = z.infer<typeof caPinsFileSchema>;

/**
 * `trust/enrolment.json`: how far this machine's enrolment came, so that one which was interrupted is continued and
 * not begun again. It holds no secret: of the token its public id alone.
 */
export const enrolmentFileSchema = z.object({
  orchestrator_url: z.string(),
  token_id: z.string(),
  /** The orchestrator's answer to the registration, as it came. */
  answer: registerResponseSchema.optional(),
  /** The agent was seen healthy and online. */
  complete: z.boolean(),
});
export type EnrolmentFile = z.infer<typeof enrolmentFileSchema>;
