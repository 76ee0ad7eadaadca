import { z } from 'zod';
import { auditReportSchema } from './audit-log.ts';
import { listQuerySchema } from './rest-pages.ts';

const time = z.iso.datetime();
const seq = z.number().int().nonnegative();

export const auditEventSchema = z.object({
  id: z.number().int(),
  seq: seq
    .nullable()
    .optional()
    .describe('Position in the sealed log; null until it is sealed, within a second'),
  at: time,
  action: z.string().describe('e.g. token.create, agent.enroll, job.submit, command.state'),
  actor: z.object({ type: z.string(), id: z.string(), name: z.string() }),
  address: z.string().nullable(),
  target: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
  erased: z.array(z.string()).optional().describe('Personal fields that were erased'),
});
export type AuditEvent = z.infer<typeof auditEventSchema>;
export const auditListSchema = z.object({
  items: z.array(auditEventSchema),
  next_cursor: z.string().nullable(),
});
export type AuditList = z.infer<typeof auditListSchema>;

export const auditQuerySchema = listQuerySchema.extend({
  action: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('Beginning of the action, e.g. token or token.create'),
  actor: z.string().min(1).max(256).optional().describe('Identifier or name of who did it'),
  target: z.string().min(1).max(256).optional().describe('Identifier of what it was done to'),
  since: time.optional().describe('Not before this time'),
  until: time.optional().describe('Before this time'),
});

export const checkpointSchema = z.object({
  log: z.string(),
  origin: z.string(),
  key: z.string().describe('Verifier key (C2SP signed-note); keep it apart from the orchestrator'),
  size: seq,
  root: z.base64(),
  retained: seq,
  at: time,
  note: z.string().describe('The signed checkpoint (C2SP tlog-checkpoint)'),
});
export type CheckpointAnswer = z.infer<typeof checkpointSchema>;

export const proofQuerySchema = z.object({
  seq: z.coerce.number().int().positive().optional().describe('Inclusion of this event'),
  from: z.coerce.number().int().positive().optional().describe('Consistency with the tree of this size'),
  size: z.coerce
    .number()
    .int()
    .positive()
    .optional()
    .describe('Of the tree; the newest checkpoint’s by default'),
});
export const proofSchema = z.object({
  size: seq,
  root: z.base64(),
  leaf: z.base64().optional(),
  from_root: z.base64().optional(),
  proof: z.array(z.base64()),
});

export const exportQuerySchema = z.object({
  after: z.coerce.number().int().nonnegative().default(0).describe('Begin after this position'),
});

export const verifyRequestSchema = z.strictObject({
  checkpoints: z
    .array(z.strictObject({ who: z.string().min(1).max(256), note: z.string().min(1).max(4096) }))
    .max(100)
    .default([])
    .describe('Signed checkpoints that were kept elsewhere'),
});
export const verifyResponseSchema = auditReportSchema;

export const eraseRequestSchema = z.strictObject({
  person: z.string().min(1).max(256).describe('User id, user name, e-mail address or network address'),
});
export const eraseResponseSchema = z.object({ events: z.number().int(), fields: z.number().int() });

export const retentionRequestSchema = z.strictObject({
  before: time.describe('Sealed events from before this time are dropped'),
});
export const retentionResponseSchema = z.object({ dropped: z.number().int(), retained: seq });
