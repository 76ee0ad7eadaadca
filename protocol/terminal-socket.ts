import { z } from 'zod';
import { terminalIdSchema } from './ids.ts';
import { terminalCommandSchema, terminalNameSchema, terminalSizeSchema } from './terminal.ts';

/**
 * What a browser or the command line and the orchestrator say to each other about one terminal. Binary frames are
 * bytes: from the client what was typed, to the client what the terminal shows. Text frames are the JSON objects below.
 */
export const TERMINAL_SUBPROTOCOL = 'vm-terminal.v1';

/** Bytes that a client may have received and not yet shown; then the terminal waits for it. */
export const CLIENT_WINDOW_BYTES = 512 * 1024;
/** A client says what it has shown at least this often (bytes). */
export const CLIENT_ACK_BYTES = 64 * 1024;

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

export const END_REASONS = [
  'exit',
  'closed',
  'idle_timeout',
  'time_limit',
  'access_ended',
  'agent_offline',
  'agent_revoked',
  'abandoned',
  'recording_full',
  'recording_failed',
  'refused',
  'not_started',
  'killed',
  'orchestrator_stopped',
] as const;
export const endReasonSchema = z.enum(END_REASONS);
export type EndReason = (typeof END_REASONS)[number];

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

/** WebSocket close codes of this door. */
export const TERMINAL_CLOSE = {
  ended: 4100,
  refused: 4101,
  attachedElsewhere: 4102,
  protocolError: 4103,
  tooSlow: 4104,
  stopping: 4105,
} as const;
