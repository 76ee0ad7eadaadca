import { z } from 'zod';
import { terminalIdSchema } from './ids.ts';
import { terminalCommandSchema, terminalNameSchema, terminalSizeSchema } from './terminal.ts';
import { END_REASONS } from './terminal-codes.ts';

const size = terminalSizeSchema.shape;
const count = z.number().int().nonnegative();

/** The first is `open` or `attach`. */
export const terminalClientSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('open'),
    ...size,
    term: terminalNameSchema.optional(),
    command: terminalCommandSchema.optional(),
  }),
  /** Goes on with one that runs. `offset`: bytes of its output that this client has. */
  z.object({ type: z.literal('attach'), id: terminalIdSchema, ...size, offset: count.optional() }),
  z.object({ type: z.literal('resize'), ...size }),
  z.object({
    type: z.literal('ack'),
    offset: count.describe('Bytes of output shown, from the beginning on'),
  }),
  z.object({ type: z.literal('close') }),
]);
export type TerminalClientMessage = z.infer<typeof terminalClientSchema>;

export const endReasonSchema = z.enum(END_REASONS);
export type EndReason = z.infer<typeof endReasonSchema>;

export const terminalServerSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('opened'),
    id: terminalIdSchema,
    vm_id: z.string(),
    /** Output before this is not sent (again). */
    offset: count,
    ...size,
    recorded: z.literal(true),
  }),
  /** Other people have to agree first; it starts as soon as they have. */
  z.object({ type: z.literal('awaiting_approval') }),
  z.object({ type: z.literal('started') }),
  z.object({ type: z.literal('resized'), ...size }),
  /** Whether the agent can be reached just now. */
  z.object({ type: z.literal('link'), online: z.boolean() }),
  z.object({
    type: z.literal('ended'),
    reason: endReasonSchema,
    exit_code: z.number().int().nullable(),
    signal: z.string().nullable(),
    message: z.string(),
  }),
  z.object({
    type: z.literal('error'),
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);
export type TerminalServerMessage = z.infer<typeof terminalServerSchema>;
