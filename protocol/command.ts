import { z } from 'zod';
import { approvalProofSchema, approvalSignatureSchema } from './approval.ts';
import { envelopeSchema } from './dsse.ts';
import { ERROR_CODES } from './errors.ts';
import { agentIdSchema, commandIdSchema, jobIdSchema, organizationIdSchema } from './ids.ts';

export const OPEN_STATES = [
  'scheduled',
  'awaiting_approval',
  'held',
  'queued',
  'sent',
  'accepted',
  'running',
] as const;
export const FINAL_STATES = [
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'expired',
  'refused',
  'skipped',
  'unknown',
] as const;
/** Final states that count as a failure of the machine's part of a job; what never began is none. */
export const FAILED_STATES = ['failed', 'timed_out', 'refused', 'unknown'] as const;
/** Final states of what got no chance. */
export const NOT_RUN_STATES = ['skipped', 'expired', 'cancelled'] as const;
export const commandStateSchema = z.enum([...OPEN_STATES, ...FINAL_STATES]);
export type CommandState = z.infer<typeof commandStateSchema>;
export type FinalState = (typeof FINAL_STATES)[number];
export const finalStateSchema = z.enum(FINAL_STATES);

export const reasonSchema = z.enum([
  'exit',
  'signal',
  'oom',
  'not_started',
  'output_limit',
  'agent_lost',
  'host_rebooted',
  'policy',
  'signature',
  'unsupported',
  'clock_skew',
  // Of what never began: why its job did not come to it.
  'threshold',
  'health_gate',
  'no_success',
  'deadline',
  'offline',
  'denied',
  'locked',
  // It stood in a backup that the orchestrator was put back to.
  'restored',
]);
export type Reason = z.infer<typeof reasonSchema>;

// From the agent's point of view a command jumps ahead when messages were lost and the result came first.
// `expired` follows only `queued`, or the agent's word that it never started; at its deadline a `sent` command is `unknown`.
const ENDS: readonly CommandState[] = ['succeeded', 'failed', 'timed_out', 'cancelled', 'refused', 'unknown'];
const TRANSITIONS: Readonly<Record<CommandState, readonly CommandState[]>> = {
  // Its job's waves have not come to it; it was approved before, where that was asked for.
  scheduled: ['held', 'queued', 'cancelled', 'expired', 'skipped'],
  awaiting_approval: ['scheduled', 'held', 'queued', 'cancelled', 'expired', 'refused', 'skipped'],
  // An orchestrator that was put back to a backup does not know what it had sent since: the agent may say.
  held: ['queued', 'accepted', 'running', 'expired', 'skipped', ...ENDS],
  queued: ['sent', 'held', 'cancelled', 'expired', 'skipped'],
  sent: ['accepted', 'running', 'expired', ...ENDS],
  accepted: ['running', 'expired', ...ENDS],
  running: ENDS,
  succeeded: [],
  failed: [],
  timed_out: [],
  cancelled: [],
  expired: [],
  refused: [],
  skipped: [],
  // A result that comes late replaces `unknown`, once.
  unknown: ['succeeded', 'failed', 'timed_out', 'cancelled', 'refused', 'expired'],
};

export function isFinal(state: CommandState): state is FinalState {
  return (FINAL_STATES as readonly string[]).includes(state);
}

/** Whether a command in `from` may go to `to`. Staying where it is is no transition. */
export function mayFollow(from: CommandState, to: CommandState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** After its start a command may last its timeout and this long (seconds) until it must be final. */
export const DEADLINE_GRACE_S = 60;
export const DEFAULT_COMMAND_LIFE_S = 24 * 3600;
export const MAX_COMMAND_LIFE_S = 7 * 24 * 3600;
export const DEFAULT_OUTPUT_CAP_BYTES = 1024 * 1024 * 1024;

/**
 * When a command must be final (ms since the epoch): `expires_at` while nothing says that it started, else its
 * start, its timeout and {@link DEADLINE_GRACE_S}.
 */
export function deadlineOf(command: {
  expires_at_ms: number;
  started_at_ms: number | null;
  timeout_s: number;
}): number {
  return command.started_at_ms === null
    ? command.expires_at_ms
    : command.started_at_ms + (command.timeout_s + DEADLINE_GRACE_S) * 1000;
}

/** Who asked for a command, as the envelope and the audit log name him. */
export const actorSchema = z.object({
  type: z.enum(['user', 'api_token', 'system']),
  id: z.string(),
  name: z.string(),
});
export type Actor = z.infer<typeof actorSchema>;

/** Payload of a command's signed envelope. */
export const commandPayloadSchema = z.object({
  org_id: organizationIdSchema,
  agent_id: agentIdSchema,
  command_id: commandIdSchema,
  job_id: jobIdSchema,
  epoch: z.number().int().positive().describe('Grows when an orchestrator is restored from a backup'),
  seq: z.number().int().positive().describe('Per agent, given in the storing transaction'),
  tool: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  run_as: z.string().nullable().describe('Null: what the VM’s owner configured'),
  lane: z.string().describe('Commands of one lane start in seq order'),
  limits: z.object({
    timeout_s: z.number().positive(),
    output_bytes: z.number().int().positive(),
  }),
  issued_at: z.iso.datetime(),
  not_before: z.iso.datetime().optional().describe('It waits on the agent until then; critical'),
  expires_at: z.iso.datetime(),
  actor: actorSchema,
  approvals: z
    .array(
      z.object({
        id: z.string(),
        name: z.string(),
        at: z.iso.datetime(),
        signature: approvalSignatureSchema.optional().describe('The approver’s own, where he signed'),
      }),
    )
    .default([]),
  approval_proof: approvalProofSchema
    .optional()
    .describe('With it the subject that approvers signed can be made again from this command'),
  critical: z.array(z.string()).default([]).describe('Fields that an agent must understand or refuse'),
});
export type CommandPayload = z.infer<typeof commandPayloadSchema>;

/** Names that `critical` may hold in this version. */
export const CRITICAL_UNDERSTOOD: readonly string[] = ['not_before', 'approval_proof'];

export const streamSchema = z.enum(['stdout', 'stderr']);
export type Stream = z.infer<typeof streamSchema>;

/** Head and tail of one stream. `omitted` bytes lie between them; the whole is readable by handle. */
export const outputSummarySchema = z.object({
  size: z.number().int().nonnegative(),
  head: z.base64(),
  tail: z.base64(),
  omitted: z.number().int().nonnegative(),
});
export type OutputSummary = z.infer<typeof outputSummarySchema>;

/** Bytes of head and of tail that a result carries for each stream: 64 KiB in all. */
export const SUMMARY_PART_BYTES = 16 * 1024;

export const commandResultSchema = z.object({
  state: finalStateSchema,
  reason: reasonSchema.optional(),
  exit_code: z.number().int().optional(),
  signal: z.string().optional(),
  started_at: z.iso.datetime().optional(),
  ended_at: z.iso.datetime(),
  duration_ms: z
    .number()
    .nonnegative()
    .optional()
    .describe('From start to end of the command by a clock that nobody sets, in tenths of a millisecond'),
  stdout: outputSummarySchema.optional(),
  stderr: outputSummarySchema.optional(),
  /** The privileged executor's signature on how it ended. */
  attestation: envelopeSchema.optional(),
  /** Set when it was refused, could not start or could not be done. */
  error: z
    .object({ code: z.enum(ERROR_CODES).catch('internal'), message: z.string(), hint: z.string().optional() })
    .optional(),
});
export type CommandResult = z.infer<typeof commandResultSchema>;
