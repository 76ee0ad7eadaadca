import { z } from 'zod';
import { agentHeadSchema, auditHeadMessageSchema, keptCheckpointSchema } from './audit-witness.ts';
import { streamSchema } from './command.ts';
import { envelopeSchema } from './dsse.ts';
import { ERROR_CODES } from './errors.ts';

/**
 * `vm-agent-exec.v1`: what the daemon and the executor say to each other on the executor's socket. Each frame is
 * `u32 length | u8 kind | body`, big-endian: kind 0 is a JSON object with `type`, kind 1 an output frame (output-frame.ts).
 * A daemon and an executor of neighbouring versions meet during an upgrade: unknown fields are ignored.
 */
export const EXECUTOR_PROTOCOL = 1;
/** Longest frame that either end takes. */
export const EXECUTOR_MAX_FRAME = 4 * 1024 * 1024;
/** Output of one command that the executor sends ahead of what was acknowledged. */
export const EXECUTOR_WINDOW = 1024 * 1024;

const count = z.number().int().nonnegative();
/** Names files and units; nothing that leads out of a folder. */
const id = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/i);
const offsets = z.object({ stdout: count, stderr: count });

/** A command as the orchestrator signed it, with the delegation of the key. */
export const signedCommandSchema = z.object({ envelope: envelopeSchema, delegation: envelopeSchema });
export type SignedCommand = z.infer<typeof signedCommandSchema>;

export const stopCauseSchema = z.enum([
  'timeout',
  'cancelled',
  'output_limit',
  'output_failed',
  'agent_stopping',
]);

export const startSchema = z.object({
  type: z.literal('start'),
  id,
  signed: signedCommandSchema.optional(),
  /** What nobody signed: it has what `policy.yaml` grants to `local-api`, whoever asks. */
  local: z
    .object({
      tool: z.string(),
      arguments: z.record(z.string(), z.unknown()),
      timeout_s: z.number().positive().optional(),
      /** Narrower than the policy's, where the daemon knows of a narrower grant. */
      roots: z.object({ read: z.array(z.string()), write: z.array(z.string()) }).optional(),
    })
    .optional(),
  merged: z.boolean().optional().describe('stdout and stderr as one stream, in the order of writing'),
  live_input: z.boolean().optional().describe('stdin stays open for `input`'),
  bound: z.boolean().optional().describe('it ends with this connection; always so for what nobody signed'),
  handle: z.string().max(64).optional().describe('the name by which signed input refers to it'),
});

export const toExecutorSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), protocol: count, version: z.string() }),
  startSchema,
  z.object({ type: z.literal('attach'), id, offsets }),
  z.object({ type: z.literal('stop'), id, cause: stopCauseSchema }),
  z.object({ type: z.literal('signal'), id, signal: z.string().regex(/^SIG[A-Z0-9]{2,10}$/) }),
  z.object({
    type: z.literal('input'),
    id,
    data: z.base64().optional(),
    eof: z.boolean().optional(),
    /** Input for a command that was signed must be signed as well; then it is taken from there. */
    signed: signedCommandSchema.optional(),
  }),
  /** Input, a size or a signal for a terminal, as it was signed. */
  z.object({ type: z.literal('control'), id, signed: signedCommandSchema }),
  z.object({ type: z.literal('ack'), id, stream: streamSchema, offset: count }),
  z.object({ type: z.literal('forget'), id }),
  /** Shows the newest checkpoint of the orchestrator's log, or a counter-signature; asks what is kept in any case. */
  z.object({
    type: z.literal('audit'),
    n: count,
    show: auditHeadMessageSchema.optional(),
    cosign: envelopeSchema.optional(),
  }),
  /** A new set of roots, as the command root signed it. */
  z.object({ type: z.literal('trust'), n: count, statement: envelopeSchema }),
]);
export type ToExecutor = z.infer<typeof toExecutorSchema>;
export type StartMessage = z.infer<typeof startSchema>;

const status = { exit_code: z.number().int().optional(), signal: z.string().optional() };
/** How a call ended, as the executor knows it. */
export const executorEndSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('exited'), exit_code: z.number().int() }),
  z.object({ kind: z.literal('signalled'), signal: z.string() }),
  z.object({ kind: z.literal('stopped'), cause: stopCauseSchema, ...status }),
  z.object({ kind: z.literal('oom'), ...status }),
  z.object({ kind: z.literal('not_started'), message: z.string() }),
  z.object({ kind: z.literal('lost'), reason: z.enum(['agent_lost', 'host_rebooted']) }),
  z.object({
    kind: z.literal('value'),
    structured: z.record(z.string(), z.unknown()),
    text: z.string().optional(),
  }),
  z.object({
    kind: z.literal('thrown'),
    code: z.enum(ERROR_CODES).catch('internal'),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);
export type ExecutorEnd = z.infer<typeof executorEndSchema>;

export const fromExecutorSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ready'),
    protocol: count,
    version: z.string(),
    features: z.array(z.string()).optional(),
  }),
  z.object({
    type: z.literal('audit'),
    n: count,
    /** Missing in an answer that says `failed`: the executor could not read or write its log. */
    head: agentHeadSchema.optional(),
    failed: z.literal(true).optional(),
    kept: keptCheckpointSchema.optional(),
    refused: z.string().optional(),
  }),
  z.object({ type: z.literal('trust'), n: count, refused: z.string().optional() }),
  z.object({
    type: z.literal('ended'),
    id,
    end: executorEndSchema,
    /** When it started and ended, ms since the epoch. */
    started_at_ms: z.number().optional(),
    ended_at_ms: z.number().optional(),
    sizes: offsets,
    /** Signed with the executor's own key. */
    attestation: envelopeSchema.optional(),
  }),
  z.object({
    type: z.literal('refused'),
    id,
    code: z.enum(ERROR_CODES).catch('internal'),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);
export type FromExecutor = z.infer<typeof fromExecutorSchema>;

/** Payload of an attestation: what the executor, and nobody else on the VM, saw. */
export const attestationSchema = z.object({
  agent_id: z.string(),
  command_id: z.string(),
  end: z.string().describe('kind of the end'),
  exit_code: z.number().int().optional(),
  signal: z.string().optional(),
  started_at_ms: z.number().optional(),
  ended_at_ms: z.number().optional(),
  stdout: z.object({ size: count, sha256: z.string().optional() }),
  stderr: z.object({ size: count, sha256: z.string().optional() }),
  audit_head: z.object({ seq: count, hash: z.string() }),
});
export type Attestation = z.infer<typeof attestationSchema>;
