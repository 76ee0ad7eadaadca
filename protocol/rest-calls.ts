import { z } from 'zod';
import { actorSchema, commandStateSchema, reasonSchema } from './command.ts';
import { ERROR_CODES } from './errors.ts';
import { agentIdSchema, commandIdSchema, jobIdSchema, vmIdSchema } from './ids.ts';
import { commandSchema, originSchema } from './rest-jobs.ts';
import { nextCursorSchema } from './rest-pages.ts';

const count = z.number().int().nonnegative();

/** Seconds that somebody who waits at a page or a terminal may ask a call to take. */
export const MAX_CALL_S = 55;
export const DEFAULT_CALL_S = 25;

/** A call of a tool on one agent whose result is waited for. The body is the tool's arguments and nothing else. */
export const callArgumentsSchema = z.record(z.string(), z.unknown());
export const callQuerySchema = z.object({
  wait: z.coerce
    .number()
    .min(0.1)
    .max(MAX_CALL_S)
    .default(DEFAULT_CALL_S)
    .describe('Seconds to wait for the result; then the call is cancelled'),
});

const streamTextSchema = z.object({
  text: z.string().describe('UTF-8; the middle left out where it is long'),
  size: count,
  omitted: count,
});

export const callResultSchema = z.object({
  command_id: commandIdSchema.describe('Handle of the whole output: commands/{id}/output'),
  job_id: jobIdSchema,
  state: commandStateSchema,
  reason: reasonSchema.nullable(),
  value: z.record(z.string(), z.unknown()).nullable().describe('What a tool answered that runs no program'),
  exit_code: z.number().int().optional(),
  signal: z.string().optional(),
  duration_ms: z.number().nonnegative().optional(),
  stdout: streamTextSchema.optional(),
  stderr: streamTextSchema.optional(),
  error: z
    .object({ code: z.enum(ERROR_CODES).catch('internal'), message: z.string(), hint: z.string().optional() })
    .optional(),
});
export type CallResult = z.infer<typeof callResultSchema>;

/** A command as the history of one agent shows it. */
export const agentCommandSchema = commandSchema.extend({
  tool: z.string(),
  origin: originSchema,
  description: z.string(),
  created_by: actorSchema,
  summary: z.string().describe('What was asked for, in one line'),
});
export type AgentCommand = z.infer<typeof agentCommandSchema>;
export const agentCommandListSchema = z.object({
  items: z.array(agentCommandSchema),
  next_cursor: z.string().nullable(),
});

export const certificateSchema = z.object({
  fingerprint: z.string().describe('SHA-256 of the DER, hex'),
  serial: z.string(),
  subject: z.string(),
  issuer: z.string(),
  names: z.array(z.string()).describe('Subject alternative names'),
  not_before: z.iso.datetime(),
  not_after: z.iso.datetime(),
  created_at: z.iso.datetime(),
  first_used_at: z.iso.datetime().nullable(),
  revoked_at: z.iso.datetime().nullable(),
});
export type CertificateInfo = z.infer<typeof certificateSchema>;
export const certificateListSchema = z.object({
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  items: z.array(certificateSchema).describe('The newest first'),
  next_cursor: nextCursorSchema,
});

const remotePath = z.string().min(1).max(4096).describe('Absolute path on the VM');
const uploadId = z.string().regex(/^[0-9a-f]{16,64}$/, 'must be 16 to 64 hexadecimal digits');
const fileMode = z
  .string()
  .regex(/^0?[0-7]{3}$/, 'must be three octal digits, like 644')
  .optional();

export const contentQuerySchema = z.object({ path: remotePath });
export const beginUploadSchema = z.strictObject({
  path: remotePath,
  size: count,
  upload_id: uploadId.optional().describe('Of an upload that is to go on; a new one is drawn when missing'),
  overwrite: z.boolean().default(false).describe('Whether a file of this name may be replaced'),
});
export const uploadParamsSchema = z.object({ upload_id: uploadId });
export const appendQuerySchema = z.object({
  path: remotePath,
  offset: z.coerce.number().int().nonnegative().describe('Where the body belongs; at most what is received'),
});
export const finishUploadSchema = z.strictObject({
  path: remotePath,
  size: count,
  sha256: z.string().regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits'),
  overwrite: z.boolean().default(false),
  mode: fileMode,
  expected_version: z
    .string()
    .max(128)
    .optional()
    .describe('Refuse if the file in its place is not this one'),
});
export const uploadSchema = z.object({
  upload_id: z.string(),
  path: z.string(),
  received: count.describe('Bytes on the VM; the next piece begins there'),
  done: z.boolean(),
  created: z.boolean().optional(),
  mode: z.string().optional(),
  sha256: z.string().optional(),
});
export type Upload = z.infer<typeof uploadSchema>;
