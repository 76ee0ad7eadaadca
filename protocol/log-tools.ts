import { z } from 'zod';

const path = z.string().min(1).max(4096).describe('Absolute');
const count = z.number().int();
const level = z.enum(['fatal', 'error', 'warning', 'info', 'debug', 'unknown']);
export type LogLevelName = z.infer<typeof level>;

export const analyzeLogArgumentsSchema = z.strictObject({
  log_path: path,
  lines: count.positive().max(10_000_000).default(100).describe('How many of the last lines'),
});

export const analyzeLogSchema = z.object({
  log_path: z.string(),
  format: z.enum(['json', 'syslog', 'access', 'plain']),
  size: count,
  lines_analyzed: count,
  limited_by: z.literal('max_lines').optional().describe('This VM analyzes no more lines'),
  levels: z.record(level, count),
  first_time: z.string().optional(),
  last_time: z.string().optional(),
  templates: z
    .array(z.object({ count, level, template: z.string(), example: z.string() }))
    .describe('Most frequent messages; <*> stands for what varies'),
  other_templates: count.optional(),
  errors: z
    .array(
      z.object({
        line: count.describe('Among those analyzed'),
        time: z.string().optional(),
        text: z.string(),
      }),
    )
    .describe('The latest'),
  last_lines: z.array(z.string()),
});
export type AnalyzeLog = z.infer<typeof analyzeLogSchema>;

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
