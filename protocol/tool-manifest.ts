import { z } from 'zod';

/** How an agent announces one tool. */
export const toolEntrySchema = z.object({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
  description: z.string(),
  input_schema: z.record(z.string(), z.unknown()).describe('JSON Schema of the arguments'),
  annotations: z
    .object({
      readOnlyHint: z.boolean(),
      destructiveHint: z.boolean(),
      idempotentHint: z.boolean(),
      openWorldHint: z.boolean(),
    })
    .partial()
    .default({}),
});
export type ToolEntry = z.infer<typeof toolEntrySchema>;

export const SHELL_TOOL = 'execute_shell_command';

/** Arguments of {@link SHELL_TOOL}: the command is run by `/bin/sh -c`. */
export const shellArgumentsSchema = z.strictObject({
  command: z
    .string()
    .min(1)
    .max(128 * 1024)
    .refine((c) => !c.includes('\0'), 'must not contain a NUL byte'),
  timeout: z
    .number()
    .positive()
    .max(7 * 24 * 3600)
    .optional()
    .describe('Seconds; the default is the VM’s own'),
  cwd: z.string().startsWith('/').max(4096).optional(),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(128 * 1024)).optional(),
  stdin: z
    .string()
    .max(1024 * 1024)
    .optional()
    .describe('Text for its stdin, which ends after it'),
  background: z
    .boolean()
    .optional()
    .describe('Return at once with a command_id for read_command_output; it outlives this connection'),
});
export type ShellArguments = z.infer<typeof shellArgumentsSchema>;

/** Key of a failed call's `_meta` over MCP: `{code, message, hint?}` with a code of protocol/errors.ts. */
export const TOOL_ERROR_META = 'io.vm-agent/error';

/**
 * What became of a program, for callers that get the whole answer at once. Text is UTF-8 with the middle left out
 * where it is long.
 */
export const commandOutputSchema = z.object({
  state: z.enum(['succeeded', 'failed', 'timed_out', 'cancelled', 'running']),
  exit_code: z.number().int().optional(),
  signal: z.string().optional(),
  command_id: z.string().optional().describe('For read_command_output, where more can be read'),
  stdout: z.string().optional(),
  stderr: z.string().optional(),
  stdout_bytes: z.number().int().optional(),
  stderr_bytes: z.number().int().optional(),
  omitted_bytes: z.number().int().optional().describe('Left out of the middle'),
  duration_ms: z.number().optional(),
  error: z.string().optional().describe('Why it was ended'),
});
export type CommandOutput = z.infer<typeof commandOutputSchema>;
