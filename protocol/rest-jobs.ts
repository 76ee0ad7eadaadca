import { z } from 'zod';
import {
  actorSchema,
  commandResultSchema,
  commandStateSchema,
  MAX_COMMAND_LIFE_S,
  reasonSchema,
  streamSchema,
} from './command.ts';
import { agentIdSchema, commandIdSchema, jobIdSchema, scheduleIdSchema, vmIdSchema } from './ids.ts';
import { rolloutEventSchema, rolloutPlanSchema, rolloutSchema } from './rest-rollout.ts';
import { upgradeArgumentsSchema } from './upgrade.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();

/** What a script may hold: signed and put into one frame it must stay below 1 MiB. */
export const MAX_SCRIPT_BYTES = 256 * 1024;

export const scriptSchema = z.strictObject({
  body: z
    .string()
    .min(1)
    .refine((text) => !text.includes('\0'), 'must not contain a NUL byte')
    .refine(
      (text) => new TextEncoder().encode(text).length <= MAX_SCRIPT_BYTES,
      `must be at most ${MAX_SCRIPT_BYTES / 1024} KiB; copy larger files to the machines first`,
    ),
  interpreter: z
    .string()
    .regex(/^[A-Za-z0-9_./+-]{1,256}$/, 'must be a program such as /bin/bash or python3, without arguments')
    .default('/bin/sh'),
  args: z
    .array(
      z
        .string()
        .max(4096)
        .refine((text) => !text.includes('\0'), 'must not contain a NUL byte'),
    )
    .max(64)
    .default([]),
});
export type Script = z.output<typeof scriptSchema>;

export const createJobRequestSchema = z.strictObject({
  selector: z.string().min(1).max(4096),
  tool: z.string().default('execute_shell_command'),
  arguments: z.record(z.string(), z.unknown()).default({}),
  script: scriptSchema
    .optional()
    .describe('Instead of tool and arguments: a program to be run by its interpreter'),
  upgrade: upgradeArgumentsSchema
    .optional()
    .describe('Instead of tool and arguments: the agents upgrade themselves'),
  rollout: rolloutPlanSchema.optional().describe('In waves; without it all machines at once'),
  timeout: z.number().positive().max(604_800).default(300).describe('Seconds that each command may run'),
  expires_in: z
    .number()
    .positive()
    .max(MAX_COMMAND_LIFE_S)
    .optional()
    .describe('Seconds in which it must start, from its turn on; default 24 h'),
  lane: z.string().max(64).optional(),
  description: z.string().max(256).default(''),
});
export type CreateJobRequest = z.input<typeof createJobRequestSchema>;
export type JobRequest = z.output<typeof createJobRequestSchema>;

export const commandSchema = z.object({
  id: commandIdSchema,
  job_id: jobIdSchema,
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  seq: count.describe('0 until its turn has come'),
  wave: z.number().int().positive().nullable().default(null).describe('Null without waves'),
  state: commandStateSchema,
  reason: reasonSchema.nullable(),
  cancel_requested: z.boolean(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  expires_at: time,
  /** A sentence for what did not succeed, or waits. */
  why: z.string().nullable().default(null),
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
  kind: z.enum(['command', 'script', 'upgrade', 'tool']).default('command'),
  /** Of a script; its text is `arguments.stdin`, which lists leave out. */
  script: scriptSchema.pick({ interpreter: true, args: true }).nullable().default(null),
  rollout: rolloutSchema.nullable().default(null),
  retry_of: jobIdSchema.nullable().default(null),
  /** Set for the health check of another job's wave. */
  check_of: jobIdSchema.nullable().default(null),
  schedule_id: scheduleIdSchema.nullable().default(null),
  due_at: time.nullable().default(null).describe('Of an occurrence of a schedule'),
});
export type Job = z.infer<typeof jobSchema>;
export const jobWithCommandsSchema = jobSchema.extend({ commands: z.array(commandSchema) });
export type JobWithCommands = z.infer<typeof jobWithCommandsSchema>;
export const jobListSchema = z.object({ items: z.array(jobSchema), next_cursor: z.string().nullable() });
export const JOB_FILTERS = ['active', 'paused', 'ended', 'failed'] as const;
/** A job, or a call of one tool that somebody waited for. */
export const originSchema = z.enum(['job', 'call']);
export type Origin = z.infer<typeof originSchema>;

export const jobListQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: jobIdSchema.optional(),
  state: z.enum(JOB_FILTERS).optional().describe('failed: at least one machine did not succeed'),
  text: z.string().min(1).max(256).optional().describe('In the command, description, selector or id'),
  who: z.string().min(1).max(128).optional().describe('Name or identifier of who asked'),
  since: time.optional(),
  until: time.optional(),
  origin: originSchema.default('job').describe('call: calls of one tool, whose results somebody waited for'),
  schedule: scheduleIdSchema.optional().describe('Occurrences of a schedule, those to come included'),
  checks: z.enum(['true', 'false']).default('false').describe('Also the health checks of waves'),
});
export const readJobQuerySchema = z.object({
  output: z.enum(['summary', 'none']).default('summary').describe('none: results without head and tail'),
});
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
  z.object({
    type: z.literal('rollout'),
    job_id: jobIdSchema,
    event: rolloutEventSchema,
    wave: count,
    at: time,
    detail: z.string().nullable(),
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
