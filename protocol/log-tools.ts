import { z } from 'zod';

const path = z.string().min(1).max(4096).describe('Absolute');
const count = z.number().int();
const level = z.enum(['fatal', 'error', 'warning', 'info', 'debug', 'unknown']);
export type LogLevelName = z.infer<typeof level>;

/** RFC 3339, a date, or an age; what it means is the agent's to say. */
const moment = z.string().min(1).max(40);
const time = z.string();
const patternId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

export const analyzeLogArgumentsSchema = z.strictObject({
  log_path: path.describe('Absolute, or journal:UNIT'),
  lines: count
    .min(0)
    .max(10_000_000)
    .optional()
    .describe('Last lines; 0: all. Default 100, all with a filter'),
  rotated: z.boolean().default(true).describe('With its older rotated files'),
  since: moment.optional().describe('RFC 3339, or an age: 15m, 2h, 7d'),
  until: moment.optional(),
  compare_to: moment.optional().describe('Start of the window before since to compare with'),
  level: z.enum(['fatal', 'error', 'warning', 'info', 'debug']).optional().describe('At least'),
  grep: z.string().min(1).max(1000).optional().describe('RE2'),
  pattern: patternId.optional().describe('More about this pattern'),
  cursor: z.string().max(200).optional().describe('next_cursor: more patterns'),
});

const logPatternSchema = z.object({
  id: patternId,
  count,
  share: z.number(),
  level,
  template: z.string(),
  first_time: time.optional(),
  last_time: time.optional(),
  at_lines: z.array(count),
  example: z.string(),
  more_examples: z.array(z.string()).optional(),
  parameters: z
    .array(
      z.object({
        type: z.string(),
        distinct: count,
        more: z.boolean().optional(),
        top: z.array(z.tuple([z.string(), count])),
      }),
    )
    .optional(),
});

const findingSchema = z.object({
  kind: z.enum(['new', 'burst', 'silence', 'stopped', 'rare_error', 'spike']),
  text: z.string(),
  patterns: z.array(patternId).optional(),
  at: time.optional(),
  until: time.optional(),
});

const errorGroupSchema = z.object({
  pattern: patternId,
  count,
  level,
  line: count,
  time: time.optional(),
  last_time: time.optional(),
  text: z.string(),
  stack: z.array(z.string()).optional(),
});

const changeSchema = z.object({
  change: z.enum(['new', 'gone', 'more', 'fewer']),
  pattern: patternId,
  level,
  template: z.string(),
  before: count,
  now: count,
});

/**
 * What an agent answers. `levels` and `continuation_lines` make `lines_analyzed`; so do `patterns`, `other_patterns` and `continuation_lines`.
 * `whole`: nothing older was left out. `levels_guessed`: from words, for want of a level field. `files`: oldest first.
 */
export const analyzeLogSchema = z.object({
  log_path: z.string(),
  format: z.string(),
  fields: z.array(z.string()),
  size: count,
  files: z
    .array(
      z.object({
        path: z.string(),
        lines: count,
        compression: z.string().optional(),
        damaged: z.boolean().optional(),
      }),
    )
    .optional(),
  lines_read: count,
  lines_analyzed: count,
  lines_compared: count.optional(),
  continuation_lines: count,
  whole: z.boolean(),
  limited_by: z.enum(['max_lines', 'size']).optional(),
  line_numbers: z.enum(['file', 'read']),
  levels: z.record(level, count),
  levels_guessed: count,
  first_time: time.optional(),
  last_time: time.optional(),
  year_inferred: z.boolean().optional(),
  zone_inferred: z.boolean().optional(),
  histogram: z
    .object({
      start: time,
      bucket_s: z.number(),
      lines: z.array(count),
      errors: z.array(count),
      untimed: count,
    })
    .optional(),
  findings: z.array(findingSchema),
  errors: z.array(errorGroupSchema),
  other_errors: z.object({ groups: count, count }).optional(),
  changes: z.array(changeSchema).optional(),
  other_changes: count.optional(),
  windows: z.object({ before_s: z.number(), now_s: z.number() }).optional(),
  patterns: z.array(logPatternSchema),
  other_patterns: z.object({ patterns: count, count }).optional(),
  next_cursor: z.string().optional(),
  masked: z.record(z.string(), count),
  last_lines: z.array(z.string()),
});
/** As a caller writes them. */
export type AnalyzeLogInput = z.input<typeof analyzeLogArgumentsSchema>;
export type AnalyzeLogArguments = z.output<typeof analyzeLogArgumentsSchema>;
export type AnalyzeLog = z.infer<typeof analyzeLogSchema>;

const list = z.array(z.looseObject({}));

/** The same as models are told of it, at a price for each word: what the parts hold shows in the answer. */
export const analyzeLogOutlineSchema = z.looseObject({
  log_path: z.string(),
  lines_read: count,
  lines_analyzed: count.describe('What the filters let through'),
  levels: z.record(z.string(), count),
  findings: list,
  errors: list,
  patterns: list.describe('id, count, template; <*> and the like stand for what varies'),
  next_cursor: z.string().optional(),
});

export const tailLogArgumentsSchema = z.strictObject({
  log_path: path.optional(),
  unit: z
    .string()
    .regex(/^[A-Za-z0-9@_.:\\][A-Za-z0-9@_.:\\-]{0,255}$/, 'must be the name of a systemd unit')
    .optional()
    .describe('systemd unit, instead of log_path'),
  lines: count.positive().max(2000).default(50),
  cursor: z
    .string()
    .regex(/^[\x20-\x7e]{1,1000}$/)
    .optional()
    .describe('Of the last answer: only what came since'),
  wait_ms: count.min(0).max(50_000).default(0).describe('Wait so long for new lines'),
});

export const tailLogSchema = z.object({
  source: z.string(),
  lines: z.array(z.string()),
  cursor: z.string().optional(),
  rotated: z.boolean().optional().describe('The file was replaced or cut since the cursor'),
  truncated: z.boolean().describe('There is more: earlier lines, or with a cursor later ones'),
});
export type TailLog = z.infer<typeof tailLogSchema>;
