import { z } from 'zod';
import { actorSchema, MAX_COMMAND_LIFE_S } from './command.ts';
import { jobIdSchema, savedCommandIdSchema, scheduleIdSchema } from './ids.ts';
import { createJobRequestSchema } from './rest-jobs.ts';

const time = z.iso.datetime();
const DAY_S = 24 * 3600;
const name = z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/, 'a name is 1–64 of a–z 0–9 . _ -');

/** What an occurrence does. It says itself when it starts and how long it may wait. */
export const scheduledJobSchema = createJobRequestSchema.omit({ expires_in: true, lane: true });

/**
 * `orchestrator`: each occurrence becomes a job when it is due; machines that are offline then run it when they return,
 * within `start_within`. `agents`: occurrences go to the machines up to a day ahead, and these start them by their own
 * clock, connected or not.
 */
export const runsOnSchema = z.enum(['orchestrator', 'agents']);

const settings = {
  name,
  cron: z
    .string()
    .min(1)
    .max(128)
    .describe(
      'Five fields (minute hour day month weekday) or six with seconds before them; also @hourly, @daily …',
    ),
  time_zone: z.string().min(1).max(64).describe('IANA name, such as Europe/Berlin'),
  runs_on: runsOnSchema,
  overlap: z
    .enum(['allow', 'skip'])
    .describe('What becomes of an occurrence whose predecessor is not at its end; on agents it always waits'),
  start_within: z
    .number()
    .int()
    .min(1)
    .max(MAX_COMMAND_LIFE_S - DAY_S)
    .describe('Seconds after its time in which an occurrence may still start'),
  enabled: z.boolean(),
  job: scheduledJobSchema,
};

export const createScheduleRequestSchema = z.strictObject({
  ...settings,
  time_zone: settings.time_zone.default('UTC'),
  runs_on: settings.runs_on.default('orchestrator'),
  overlap: settings.overlap.default('skip'),
  start_within: settings.start_within.default(600),
  enabled: settings.enabled.default(true),
});
export type CreateScheduleRequest = z.input<typeof createScheduleRequestSchema>;
export type ScheduleSettings = z.output<typeof createScheduleRequestSchema>;
export const changeScheduleRequestSchema = z.strictObject(settings).partial();

export const scheduleSchema = z.object({
  id: scheduleIdSchema,
  ...settings,
  created_at: time,
  created_by: actorSchema,
  changed_at: time,
  next_runs: z.array(time).describe('The next few, as long as it is enabled'),
  last_job_id: jobIdSchema.nullable(),
  last_due_at: time.nullable(),
});
export type Schedule = z.infer<typeof scheduleSchema>;
export const scheduleListSchema = z.object({
  items: z.array(scheduleSchema),
  next_cursor: z.string().nullable(),
});

/** `{{NAME}}` in the command stands for a parameter; what is put there is quoted for the shell, as one word. */
export const parameterSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,31}$/, 'a parameter’s name is a letter and letters, digits or _'),
  description: z.string().max(256).default(''),
  default: z.string().max(4096).optional(),
  choices: z.array(z.string().max(4096)).min(1).max(64).optional().describe('The only values'),
});
export type Parameter = z.output<typeof parameterSchema>;

const definition = {
  name,
  description: z.string().max(256),
  command: z
    .string()
    .min(1)
    .max(128 * 1024)
    .refine((text) => !text.includes('\0'), 'must not contain a NUL byte'),
  parameters: z.array(parameterSchema).max(32),
  timeout: z.number().positive().max(604_800),
  selector: z.string().max(4096).describe('Where it runs unless told otherwise; empty: it must be told'),
};
export const createSavedCommandRequestSchema = z.strictObject({
  ...definition,
  description: definition.description.default(''),
  parameters: definition.parameters.default([]),
  timeout: definition.timeout.default(300),
  selector: definition.selector.default(''),
});
export type CreateSavedCommandRequest = z.input<typeof createSavedCommandRequestSchema>;
export type SavedDefinition = z.output<typeof createSavedCommandRequestSchema>;
export const changeSavedCommandRequestSchema = z.strictObject(definition).partial();
export const savedCommandSchema = z.object({
  id: savedCommandIdSchema,
  ...definition,
  parameters: z.array(parameterSchema),
  created_at: time,
  created_by: actorSchema,
  changed_at: time,
});
export type SavedCommand = z.infer<typeof savedCommandSchema>;
export const savedCommandListSchema = z.object({
  items: z.array(savedCommandSchema),
  next_cursor: z.string().nullable(),
});
export const runSavedCommandRequestSchema = z.strictObject({
  parameters: z.record(z.string(), z.string().max(4096)).default({}),
  selector: z.string().min(1).max(4096).optional(),
  timeout: createJobRequestSchema.shape.timeout.unwrap().optional(),
  rollout: createJobRequestSchema.shape.rollout,
  expires_in: createJobRequestSchema.shape.expires_in,
});
