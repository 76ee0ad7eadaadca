import { z } from 'zod';
import {
  actorSchema,
  commandResultSchema,
  commandStateSchema,
  MAX_COMMAND_LIFE_S,
  reasonSchema,
  streamSchema,
} from './command.ts';
import { agentIdSchema, commandIdSchema, jobIdSchema, vmIdSchema } from './ids.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();

export const createJobRequestSchema = z.strictObject({
  selector: z.string().min(1).max(4096),
  tool: z.string().default('execute_shell_command'),
  arguments: z.record(z.string(), z.unknown()),
  timeout: z.number().positive().max(604_800).default(300).describe('Seconds that each command may run'),
  expires_in: z
    .number()
    .positive()
    .max(MAX_COMMAND_LIFE_S)
    .optional()
    .describe('Seconds in which it must start; default 24 h'),
  lane: z.string().max(64).optional(),
  description: z.string().max(256).default(''),
});
export type CreateJobRequest = z.input<typeof createJobRequestSchema>;

export const commandSchema = z.object({
  id: commandIdSchema,
  job_id: jobIdSchema,
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  seq: count,
  state: commandStateSchema,
  reason: reasonSchema.nullable(),
  cancel_requested: z.boolean(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  expires_at: time,
  result: commandResultSchema.nullable(),
  output: z.object({ stdout: count, stderr: count }).describe('Bytes kept so far'),
});
export type Command = z.infer<typeof commandSchema>;

export const jobSchema = z.object({
  id: jobIdSchema,
  selector: z.string(),
  tool: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  description: z.string(),
  timeout: z.number(),
  created_at: time,
  created_by: actorSchema,
  state: z.enum(['active', 'ended']),
  counts: z.partialRecord(commandStateSchema, count),
});
export type Job = z.infer<typeof jobSchema>;
export const jobWithCommandsSchema = jobSchema.extend({ commands: z.array(commandSchema) });
export type JobWithCommands = z.infer<typeof jobWithCommandsSchema>;
export const jobListSchema = z.object({ items: z.array(jobSchema), next_cursor: z.string().nullable() });
export const cancelResponseSchema = z.object({
  id: jobIdSchema,
  cancel_requested: count,
  already_ended: count,
});

/**
 * Server-Sent Events of a job. The SSE `event` field is `type`, `id` is a number that grows within the job and is
 * good for `Last-Event-ID`, `data` is this object as JSON. `end` comes last.
 */
export const jobEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('state'),
    command_id: commandIdSchema,
    agent_id: agentIdSchema,
    vm_id: vmIdSchema,
    state: commandStateSchema,
    reason: reasonSchema.nullable(),
    at: time,
    result: commandResultSchema.omit({ stdout: true, stderr: true }).nullable(),
  }),
  z.object({
    type: z.literal('output'),
    command_id: commandIdSchema,
    agent_id: agentIdSchema,
    vm_id: vmIdSchema,
    stream: streamSchema,
    offset: count,
    at: time,
    data: z.base64(),
  }),
  z.object({ type: z.literal('end'), job_id: jobIdSchema }),
]);
export type JobEvent = z.infer<typeof jobEventSchema>;
/** Output bytes in one event: its base64 stays well below 1 MiB, which some clients cannot pass. */
export const EVENT_OUTPUT_BYTES = 192 * 1024;

export const outputQuerySchema = z.object({
  stream: streamSchema.default('stdout'),
  offset: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce
    .number()
    .int()
    .positive()
    .max(64 * 1024 * 1024)
    .default(1024 * 1024),
});
