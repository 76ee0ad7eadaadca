import { z } from 'zod';
import { envelopeSchema } from './dsse.ts';

// Orchestrator and agents watch each other's audit logs: each keeps the other's newest head, and sees when it goes
// back or was rewritten. Announced by the feature `audit`; an end that does not know it says nothing.

export const AUDIT_FEATURE = 'audit';

const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The head of the agent's own hash-chained log. */
export const agentHeadSchema = z.object({
  seq: count,
  hash: sha256,
  /** By the executor's key, where there is an executor: then it is more than the daemon's word. */
  attestation: envelopeSchema.optional(),
});
export type AgentHead = z.infer<typeof agentHeadSchema>;

/** Payload of that attestation. */
export const attestedHeadSchema = z.object({ agent_id: z.string(), seq: count, hash: sha256 });

/** The checkpoint of the organization's log that an agent keeps. */
export const keptCheckpointSchema = z.object({
  size: count,
  root: z.base64(),
  note: z.string().max(4096),
  /** The key that it was checked with, as the command root vouched for it. */
  key: envelopeSchema,
  /** Epoch of the newest restore that was declared to this witness: each is believed once. */
  line: count.optional(),
  /** Checkpoints of what restores have cut off, the newest last. */
  former: z
    .array(z.object({ size: count, root: z.base64(), note: z.string().max(4096), line: count }))
    .optional(),
});
export type KeptCheckpoint = z.infer<typeof keptCheckpointSchema>;

/** What the agent reports of it. */
export const witnessedSchema = keptCheckpointSchema.omit({ key: true, line: true, former: true });
export type Witnessed = z.infer<typeof witnessedSchema>;

/** Payload of the envelope by which an organization's command root vouches for its audit key. */
export const auditKeyStatementSchema = z.object({
  org_id: z.string(),
  key: z.string().max(512).describe('Verifier key of the log (C2SP signed-note)'),
});

/**
 * Payload of the envelope by which an organization's command root declares that the orchestrator was restored from a
 * backup: of its audit log `size` events came back, and others follow them than did before.
 */
export const auditLineStatementSchema = z.object({
  org_id: z.string(),
  epoch: count.describe('Of commands since that restore'),
  size: count,
  restored_at: z.iso.datetime(),
});

/** To an agent: the newest checkpoint, and the proof that it continues the one the agent said it keeps. */
export const auditHeadMessageSchema = z.object({
  type: z.literal('audit_head'),
  checkpoint: z.string().max(4096),
  from: count,
  proof: z.array(z.base64()).max(128),
  key: envelopeSchema,
  line: envelopeSchema.optional().describe('Of the newest restore'),
});
export type AuditHeadMessage = z.infer<typeof auditHeadMessageSchema>;

/** Payload of an orchestrator's counter-signature of an agent's head. */
export const countersignedHeadSchema = z.object({
  agent_id: z.string(),
  seq: count,
  hash: sha256,
  at: z.iso.datetime(),
});

/** To an agent: its own head is kept, as the envelope says. From an agent: it keeps this checkpoint, or why not. */
export const auditCosignToAgentSchema = z.object({
  type: z.literal('audit_cosign'),
  envelope: envelopeSchema,
});
export type AuditCosign = z.infer<typeof auditCosignToAgentSchema>;

export const auditCosignFromAgentSchema = z.object({
  type: z.literal('audit_cosign'),
  kept: witnessedSchema.optional(),
  refused: z.string().max(500).optional(),
});
