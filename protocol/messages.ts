import { z } from 'zod';
import {
  agentHeadSchema,
  auditCosignFromAgentSchema,
  auditCosignToAgentSchema,
  auditHeadMessageSchema,
  witnessedSchema,
} from './audit-witness.ts';
import { commandResultSchema, commandStateSchema, reasonSchema, streamSchema } from './command.ts';
import { envelopeSchema } from './dsse.ts';
import { factsSchema, loadSampleSchema } from './facts.ts';
import { agentIdSchema, commandIdSchema, organizationIdSchema, sessionIdSchema } from './ids.ts';
import { parseJson } from './json-text.ts';
import { labelsSchema } from './provisioning-token.ts';
import { toolEntrySchema } from './tool-manifest.ts';
import { trustAckMessageSchema, trustUpdateMessageSchema } from './trust-update.ts';

// Sequenced frames (`seq`) are delivered once and in order within a session, and acknowledged cumulatively when
// they are durable; the others are hints or answers that may be lost with the link. See session.ts.
const seq = z.number().int().positive();
const ack = z.number().int().nonnegative().optional().describe('Highest peer seq that is durable here');
const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const errorMessage = z.object({
  type: z.literal('error'),
  code: z.string(),
  message: z.string(),
  ref: z.string().optional().describe('Type or id of what could not be handled'),
});
const ackMessage = z.object({ type: z.literal('ack'), ack: count });

export const inFlightSchema = z.object({
  id: commandIdSchema,
  state: commandStateSchema,
  offsets: z.object({ stdout: count, stderr: count }).describe('Bytes produced so far'),
});

export const helloSchema = z.object({
  type: z.literal('hello'),
  protocol_min: z.number().int().positive(),
  protocol_max: z.number().int().positive(),
  agent_version: z.string(),
  features: z.array(z.string()),
  tools: z
    .array(toolEntrySchema)
    .optional()
    .describe('Sent when tool_manifest_sha256 may be new to the orchestrator'),
  tool_manifest_sha256: sha256,
  policy_sha256: sha256.nullable(),
  approval_policy: z
    .unknown()
    .optional()
    .describe('`approval` of the policy’s grant for the orchestrator; null: it wants no signatures'),
  boot_id: z.string(),
  process_id: z
    .string()
    .max(64)
    .optional()
    .describe('Drawn at each start of the agent: two that are connected at once are two machines'),
  machine_hash: z.string(),
  clock: z.iso.datetime(),
  session_id: sessionIdSchema.optional().describe('The session to resume'),
  recv_seq: count,
  /** Every command of the journal whose end the orchestrator has not acknowledged. */
  in_flight: z.array(inFlightSchema),
  /** Highest command seq (of the envelopes, not of the session) that this agent ever took. */
  command_seq: count,
  facts: factsSchema,
  labels: labelsSchema.optional().describe('What agent.labels says now; unchanged where it is missing'),
  audit_head: agentHeadSchema.optional().describe('Of the agent’s own audit log'),
  bundle_version: count.optional().describe('Of the set of roots that it keeps'),
  audit_witness: witnessedSchema
    .optional()
    .describe('The checkpoint that it keeps of the organization’s log'),
});

export const heartbeatSchema = z.object({
  type: z.literal('heartbeat'),
  at: z.iso.datetime(),
  load: loadSampleSchema,
  audit_head: agentHeadSchema.optional(),
});

export const stateMessageSchema = z.object({
  type: z.literal('state'),
  seq,
  ack,
  command_id: commandIdSchema,
  state: z.enum(['accepted', 'running']),
  at: z.iso.datetime(),
});
export const resultMessageSchema = z.object({
  type: z.literal('result'),
  seq,
  ack,
  command_id: commandIdSchema,
  result: commandResultSchema,
});

/** What an agent sends. */
export const agentMessageSchema = z.discriminatedUnion('type', [
  helloSchema,
  heartbeatSchema,
  ackMessage,
  stateMessageSchema,
  resultMessageSchema,
  auditCosignFromAgentSchema,
  trustAckMessageSchema,
  errorMessage,
]);

export const welcomeSchema = z.object({
  type: z.literal('welcome'),
  protocol: z.number().int().positive(),
  agent_id: agentIdSchema,
  organization_id: organizationIdSchema,
  session_id: sessionIdSchema,
  /** False: the session asked for is gone; sequence numbers begin anew and the agent sends its outbox again. */
  resumed: z.boolean(),
  session_epoch: z.number().int().positive(),
  server_time: z.iso.datetime(),
  recv_seq: count,
  limits: z.object({ frame: count, command_credit: count, link_credit: count }),
  heartbeat_interval: z.number().positive(),
  min_version: z.string().optional(),
});

export const commandMessageSchema = z.object({
  type: z.literal('command'),
  seq,
  ack,
  envelope: envelopeSchema,
  /** The delegation of the key that signed it, itself signed by the command root. */
  delegation: envelopeSchema,
});
export const cancelMessageSchema = z.object({
  type: z.literal('cancel'),
  seq,
  ack,
  command_id: commandIdSchema,
  reason: reasonSchema.optional(),
});
const signedInput = <T extends string>(type: T) =>
  z.object({
    type: z.literal(type),
    seq,
    ack,
    command_id: commandIdSchema,
    /** Its payload is terminalInputSchema of terminal.ts. */
    envelope: envelopeSchema,
    delegation: envelopeSchema,
  });
export const inputMessageSchema = signedInput('input');
export const resizeMessageSchema = signedInput('resize');
export const signalMessageSchema = signedInput('signal');
export const outputAckSchema = z.object({
  type: z.literal('output_ack'),
  command_id: commandIdSchema,
  stream: streamSchema,
  durable_offset: count,
});
export const creditSchema = z.object({
  type: z.literal('credit'),
  command: count.optional().describe('Bytes in flight allowed for each command from now on'),
  link: count.optional(),
});
export const goawaySchema = z.object({
  type: z.literal('goaway'),
  reason: z.string(),
  retry_after: z.number().nonnegative().optional().describe('Seconds; overrules the agent’s own back-off'),
});

/** What an orchestrator sends. */
export const orchestratorMessageSchema = z.discriminatedUnion('type', [
  welcomeSchema,
  ackMessage,
  commandMessageSchema,
  cancelMessageSchema,
  inputMessageSchema,
  resizeMessageSchema,
  signalMessageSchema,
  outputAckSchema,
  creditSchema,
  goawaySchema,
  auditHeadMessageSchema,
  auditCosignToAgentSchema,
  trustUpdateMessageSchema,
  errorMessage,
]);

export type AgentMessage = z.infer<typeof agentMessageSchema>;
export type OrchestratorMessage = z.infer<typeof orchestratorMessageSchema>;
export type Hello = z.infer<typeof helloSchema>;
export type Welcome = z.infer<typeof welcomeSchema>;
export type InputMessage = z.infer<
  typeof inputMessageSchema | typeof resizeMessageSchema | typeof signalMessageSchema
>;
export type CommandMessage = z.infer<typeof commandMessageSchema>;

export type Parsed<M> =
  | { kind: 'ok'; message: M }
  | { kind: 'unknown'; type: string }
  | { kind: 'invalid'; type: string | undefined; problem: string };

const known = (union: { options: readonly { shape: { type: { value: string } } }[] }): ReadonlySet<string> =>
  new Set(union.options.map((option) => option.shape.type.value));
const fromAgent = known(agentMessageSchema);
const fromOrchestrator = known(orchestratorMessageSchema);

function parse<M>(text: string, types: ReadonlySet<string>, schema: z.ZodType<M>): Parsed<M> {
  let raw: unknown;
  try {
    raw = parseJson(text);
  } catch {
    return { kind: 'invalid', type: undefined, problem: 'not JSON, or nested too deeply' };
  }
  const type = typeof raw === 'object' && raw !== null ? (raw as { type?: unknown }).type : undefined;
  if (typeof type !== 'string') return { kind: 'invalid', type: undefined, problem: 'no type' };
  if (!types.has(type)) return { kind: 'unknown', type };
  const result = schema.safeParse(raw);
  return result.success
    ? { kind: 'ok', message: result.data }
    : { kind: 'invalid', type, problem: z.prettifyError(result.error).slice(0, 500) };
}

export const parseAgentMessage = (text: string): Parsed<AgentMessage> =>
  parse(text, fromAgent, agentMessageSchema);
export const parseOrchestratorMessage = (text: string): Parsed<OrchestratorMessage> =>
  parse(text, fromOrchestrator, orchestratorMessageSchema);
