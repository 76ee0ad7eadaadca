import { z } from 'zod';
import { commandStateSchema, MAX_COMMAND_LIFE_S } from './command.ts';
import { agentIdSchema, commandIdSchema, jobIdSchema, vmIdSchema } from './ids.ts';
import { AMOUNT_PATTERN, type Amount, DEFAULT_WAVES, MAX_WAVES } from './waves.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();
const amount = (least: number) =>
  z
    .union([z.number().int().min(least).max(1_000_000), z.string().regex(AMOUNT_PATTERN).endsWith('%')])
    .transform((value) => value as Amount)
    .describe('A number of machines, or a share of all such as "10%"');

const DAY_S = 24 * 3600;

/** How a job goes over its machines. Without one it goes to all of them at once. */
export const rolloutPlanSchema = z.strictObject({
  waves: z
    .array(amount(1))
    .min(1)
    .max(MAX_WAVES)
    .refine((waves) => waves.at(-1) === '100%', 'must end with "100%", so that each machine is in a wave')
    .default([...DEFAULT_WAVES])
    .describe('How many machines have had their turn at the end of each wave'),
  concurrency: amount(1).optional().describe('Machines at work at the same time; default: a whole wave'),
  max_failures: amount(0)
    .default(0)
    .describe('Machines that may fail; one more stops the rest. A share is of all machines'),
  pause: z
    .number()
    .nonnegative()
    .max(7 * DAY_S)
    .default(0)
    .describe('Seconds between two waves'),
  connected: z.boolean().default(true).describe('After a wave its machines must be connected'),
  check: z
    .strictObject({
      command: z
        .string()
        .min(1)
        .max(128 * 1024)
        .refine((text) => !text.includes('\0'), 'must not contain a NUL byte'),
      timeout: z.number().positive().max(3600).default(60).describe('Seconds'),
    })
    .optional()
    .describe('Shell command that must exit with 0 on the machines of a wave before the next begins'),
  gate_timeout: z
    .number()
    .positive()
    .max(DAY_S)
    .default(120)
    .describe('Seconds that machines have to be connected after their wave'),
  offline: z
    .enum(['wait', 'skip'])
    .default('wait')
    .describe('Machines that are offline run it when they return, or are left out'),
  deadline: z
    .number()
    .positive()
    .max(30 * DAY_S)
    .default(MAX_COMMAND_LIFE_S)
    .describe('Seconds in which all must have begun'),
});
export type RolloutPlan = z.output<typeof rolloutPlanSchema>;

export const STOP_REASONS = ['threshold', 'health_gate', 'no_success', 'deadline'] as const;
export type StopReason = (typeof STOP_REASONS)[number];

export const waveStateSchema = z.enum([
  'waiting',
  'running',
  'pausing',
  'gate',
  'passed',
  'stopped',
  'skipped',
]);
export const waveSchema = z.object({
  wave: z.number().int().positive(),
  size: count,
  state: waveStateSchema,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  /** Job of its check command. */
  check_job_id: jobIdSchema.nullable(),
  /** Machines that its gate found unwell. */
  unhealthy: z.array(vmIdSchema).default([]),
  counts: z.partialRecord(commandStateSchema, count).default({}),
});
export type Wave = z.infer<typeof waveSchema>;

export const rolloutStateSchema = z.enum([
  'awaiting_approval',
  'running',
  'paused',
  'completed',
  'stopped',
  'cancelled',
]);
export type RolloutState = z.infer<typeof rolloutStateSchema>;

export const rolloutSchema = z.object({
  plan: rolloutPlanSchema,
  state: rolloutStateSchema,
  /** The wave that has its turn, from 1; 0 before the first. */
  wave: count,
  waves: z.array(waveSchema),
  concurrency: count.describe('Machines at work at the same time at most'),
  max_failures: count.describe('As a number'),
  failures: count,
  stop_reason: z.enum(STOP_REASONS).nullable(),
  /** A sentence: why it stopped. */
  stop_detail: z.string().nullable(),
  /** When the pause between two waves ends. */
  resumes_at: time.nullable(),
  deadline_at: time,
  ended_at: time.nullable(),
});
export type Rollout = z.infer<typeof rolloutSchema>;

/** What changed; the state of the whole is `rollout` of the job. */
export const rolloutEventSchema = z.enum([
  'wave_started',
  'wave_passed',
  'gate',
  'paused',
  'resumed',
  'stopped',
  'completed',
  'cancelled',
]);
export type RolloutEvent = z.infer<typeof rolloutEventSchema>;

export const previewTargetSchema = z.object({
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  online: z.boolean(),
  /** From 1; null without waves. */
  wave: z.number().int().positive().nullable(),
  /** What would become of it besides running, e.g. that it is offline. */
  note: z.string().nullable(),
});
export type PreviewTarget = z.infer<typeof previewTargetSchema>;
export const previewSchema = z.object({
  total: count,
  online: count,
  offline: count,
  /** Agents that have not announced the tool. */
  unsupported: count,
  waves: z.array(z.object({ wave: z.number().int().positive(), size: count, online: count })),
  concurrency: count.nullable(),
  max_failures: count.nullable(),
  /** What stands in the way, such as an approval or a lock. */
  notices: z.array(z.object({ kind: z.string(), text: z.string(), agents: count.nullable() })),
  /** The first machines, in the order of their turn. */
  targets: z.array(previewTargetSchema),
  /** Machines that `targets` leaves out. */
  omitted: count,
});
export type Preview = z.infer<typeof previewSchema>;

/** `failed`: failed, timed out, refused or unknown. `not_run`: skipped, expired or cancelled. */
export const retryRequestSchema = z.strictObject({
  which: z.enum(['failed', 'not_run', 'all']).default('failed'),
});
export type RetryRequest = z.input<typeof retryRequestSchema>;

export const outputGroupSchema = z.object({
  /** The same for equal results. */
  key: z.string(),
  state: commandStateSchema,
  exit_code: z.number().int().nullable(),
  reason: z.string().nullable(),
  online: count.describe('Machines of the group that are connected'),
  count,
  /** The first of them. */
  targets: z.array(z.object({ command_id: commandIdSchema, agent_id: agentIdSchema, vm_id: vmIdSchema })),
  /** Text of one of them, as it is compared; the middle of a long one is left out. */
  stdout: z.string(),
  stderr: z.string(),
  omitted_bytes: count,
  /** Against the largest group, as a unified diff; null for that group itself, or when they are too far apart. */
  diff: z.string().nullable(),
});
export type OutputGroup = z.infer<typeof outputGroupSchema>;
export const outputGroupsSchema = z.object({
  job_id: jobIdSchema,
  total: count,
  /** One line for people: `47 identical, 2 differ, 1 offline`. */
  summary: z.string(),
  groups: z.array(outputGroupSchema),
});
export type OutputGroups = z.infer<typeof outputGroupsSchema>;
