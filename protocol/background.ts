import { z } from 'zod';

/** Tools for commands that were started with `background: true`. */
export const BACKGROUND_TOOLS = {
  list: 'list_commands',
  read: 'read_command_output',
  send: 'send_input',
  stop: 'stop_command',
} as const;

const id = z.string().min(1).max(100).describe('command_id');

/** One command in the background, as its own caller sees it. */
export const backgroundCommandSchema = z.object({
  id: z.string(),
  command: z.string(),
  state: z.enum(['running', 'succeeded', 'failed', 'timed_out', 'cancelled']),
  exit_code: z.number().optional(),
  signal: z.string().optional(),
  error: z.string().optional(),
  started: z.string(),
  ended: z.string().optional(),
  output_bytes: z.number(),
});
export type BackgroundCommandStatus = z.infer<typeof backgroundCommandSchema>;

export const listCommandsArgumentsSchema = z.strictObject({});
export const listCommandsSchema = z.object({ commands: z.array(backgroundCommandSchema) });

/** Most that a read waits: clients give up on a call after 60 s. */
export const MAX_WAIT_MS = 50_000;
export const MAX_READ_BYTES = 64 * 1024;

export const readOutputArgumentsSchema = z.strictObject({
  id,
  offset: z.number().int().default(0).describe('In bytes; negative: from the end'),
  limit: z
    .number()
    .int()
    .min(1)
    .max(MAX_READ_BYTES)
    .default(16 * 1024),
  wait_ms: z
    .number()
    .int()
    .min(0)
    .max(MAX_WAIT_MS)
    .optional()
    .describe('Wait this long for more output or the end (with until_regex: 30000)'),
  until_regex: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe('Wait until the output after offset matches, or it ends'),
});
export type ReadOutputArguments = z.infer<typeof readOutputArgumentsSchema>;

export const readOutputSchema = backgroundCommandSchema
  .pick({ id: true, state: true, exit_code: true, signal: true, error: true })
  .extend({
    offset: z.number(),
    next_offset: z.number().describe('For the next read'),
    size: z.number().describe('Bytes of output so far'),
    text: z.string().describe('stdout and stderr in the order written'),
    matched: z.boolean().optional(),
  });
export type ReadOutput = z.infer<typeof readOutputSchema>;

export const sendInputArgumentsSchema = z.strictObject({
  id,
  data: z
    .string()
    .max(256 * 1024)
    .default('')
    .describe('Sent as it is: end a line with \\n'),
  eof: z.boolean().optional().describe('Close its stdin afterwards'),
});
export type SendInputArguments = z.infer<typeof sendInputArgumentsSchema>;
export const sendInputSchema = backgroundCommandSchema.pick({ id: true, state: true }).extend({
  sent_bytes: z.number(),
});

/** Signals that a caller may send. */
const SIGNALS = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGSTOP',
  'SIGCONT',
  'SIGWINCH',
] as const;

export const stopCommandArgumentsSchema = z.strictObject({
  id,
  signal: z
    .enum(SIGNALS)
    .optional()
    .describe('Only send this. Without it: SIGTERM, after 5 s SIGKILL, to everything that it started'),
});
export type StopCommandArguments = z.infer<typeof stopCommandArgumentsSchema>;
