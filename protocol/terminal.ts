import { z } from 'zod';
import { agentIdSchema, commandIdSchema, organizationIdSchema } from './ids.ts';

/** The tool whose command has a terminal. Only the orchestrator may call it, by what it signs. */
export const TERMINAL_TOOL = 'open_terminal';
/** In `hello`: this agent can open terminals, and takes `input`, `resize` and `signal`. */
export const TERMINAL_FEATURE = 'terminal';

const side = z.number().int().min(1).max(1000);
/** In characters. */
export const terminalSizeSchema = z.object({ rows: side, cols: side });
export type TerminalSize = z.infer<typeof terminalSizeSchema>;

export const DEFAULT_IDLE_S = 30 * 60;

export const terminalNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/, 'must be the name of a terminal, such as xterm-256color');
export const terminalCommandSchema = z
  .string()
  .min(1)
  .max(64 * 1024)
  .refine((text) => !text.includes('\0'), 'must not contain a NUL byte');

export const terminalArgumentsSchema = z.strictObject({
  rows: side,
  cols: side,
  term: terminalNameSchema.default('xterm-256color').describe('TERM'),
  command: terminalCommandSchema
    .optional()
    .describe('Run by the login shell; without it the shell itself, as at a login'),
  idle_timeout: z
    .number()
    .positive()
    .max(24 * 3600)
    .default(DEFAULT_IDLE_S)
    .describe('Seconds without input and output, after which it ends'),
});
export type TerminalArguments = z.infer<typeof terminalArgumentsSchema>;

/** Most that one `input` carries, so that it fits into a frame; a paste is made of several. */
export const MAX_INPUT_BYTES = 16 * 1024;

const signedPart = {
  org_id: organizationIdSchema,
  agent_id: agentIdSchema,
  command_id: commandIdSchema,
  n: z.number().int().positive().describe('1, 2, 3 … for each command: no gap, nothing twice'),
  issued_at: z.iso.datetime(),
};

/** Payload of the signed envelope of `input`, `resize` and `signal`. */
export const terminalInputSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('input'),
    ...signedPart,
    stream: z.literal('stdin'),
    offset: z.number().int().nonnegative().describe('Bytes of this stream before these'),
    data: z.base64(),
  }),
  z.object({ type: z.literal('resize'), ...signedPart, rows: side, cols: side }),
  z.object({
    type: z.literal('signal'),
    ...signedPart,
    signal: z.enum(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL', 'SIGTSTP', 'SIGCONT']),
  }),
]);
export type TerminalInput = z.infer<typeof terminalInputSchema>;

/** How far the input of one command has been taken. */
export interface InputPosition {
  n: number;
  offset: number;
}

/** Whether this input is the next one. What was taken before comes again when a link breaks, and is passed over. */
export function orderOf(input: TerminalInput, taken: InputPosition): 'next' | 'again' | 'gap' {
  if (input.n <= taken.n) return 'again';
  if (input.n !== taken.n + 1) return 'gap';
  return input.type === 'input' && input.offset !== taken.offset ? 'gap' : 'next';
}

/** The position behind an input that was the next one; `bytes` is the length of its data. */
export const after = (taken: InputPosition, bytes: number): InputPosition => ({
  n: taken.n + 1,
  offset: taken.offset + bytes,
});
