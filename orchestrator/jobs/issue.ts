import { isoTime } from '../../base/clock.ts';
import type { Actor, CommandPayload } from '../../protocol/command.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AgentId, CommandId, JobId, OrganizationId } from '../../protocol/ids.ts';
import { MAX_FRAME_BYTES } from '../../protocol/version.ts';
import type { CommandSigner } from '../ca/command-keys.ts';
import type { Tx } from '../store/store.ts';

/** Rows in one statement: far below the number of values that it may hold. */
const CHUNK = 200;
/** Of a frame, for what stands around the envelope. */
const FRAME_MARGIN = 8 * 1024;

export async function inChunks<R>(rows: readonly R[], each: (chunk: R[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < rows.length; at += CHUNK) await each(rows.slice(at, at + CHUNK));
}

/** The next seq of each agent; nobody else gets one before the commit. */
export async function takeSeqs(
  tx: Tx,
  organizationId: string,
  agentIds: readonly string[],
): Promise<Map<string, number>> {
  const seqs = new Map<string, number>();
  await inChunks(agentIds, async (chunk) => {
    const rows = await tx
      .updateTable('agents')
      .set((e) => ({ command_seq: e('command_seq', '+', 1) }))
      .where('organization_id', '=', organizationId)
      .where('id', 'in', chunk)
      .returning(['id', 'command_seq'])
      .execute();
    for (const row of rows) seqs.set(row.id, row.command_seq);
  });
  return seqs;
}

export async function epochOf(tx: Tx, organizationId: string): Promise<number> {
  const row = await tx
    .selectFrom('organizations')
    .select('command_epoch')
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow();
  return row.command_epoch;
}

/** What all commands of a job share. */
export interface Order {
  organizationId: OrganizationId;
  jobId: JobId;
  epoch: number;
  tool: string;
  arguments: Record<string, unknown>;
  lane: string;
  timeoutS: number;
  outputCap: number;
  actor: Actor;
  approvals: CommandPayload['approvals'];
  /** The agents start it at this time themselves (ms since the epoch). */
  notBefore?: number | undefined;
}

export interface Turn {
  commandId: CommandId;
  agentId: AgentId;
  seq: number;
  issuedAt: number;
  expiresAt: number;
}

/**
 * Signs one command. What it says begins with its turn: an agent takes no seq below one that it has seen.
 * @throws AppError `payload_too_large`
 */
export function signCommand(
  signer: CommandSigner,
  order: Order,
  turn: Turn,
): { envelope: Envelope; delegation: Envelope } {
  const signed = signer.sign({
    org_id: order.organizationId,
    agent_id: turn.agentId,
    command_id: turn.commandId,
    job_id: order.jobId,
    epoch: order.epoch,
    seq: turn.seq,
    tool: order.tool,
    arguments: order.arguments,
    run_as: null,
    lane: order.lane,
    limits: { timeout_s: order.timeoutS, output_bytes: order.outputCap },
    issued_at: isoTime(turn.issuedAt),
    ...(order.notBefore === undefined ? {} : { not_before: isoTime(order.notBefore) }),
    expires_at: isoTime(turn.expiresAt),
    actor: order.actor,
    approvals: order.approvals,
    // An agent that does not know it must not start it now.
    critical: order.notBefore === undefined ? [] : ['not_before'],
  });
  if (signed.envelope.payload.length > MAX_FRAME_BYTES - FRAME_MARGIN) {
    throw new AppError('payload_too_large', {
      detail: `Signed, this command has ${signed.envelope.payload.length} bytes; a frame to an agent holds ${MAX_FRAME_BYTES}.`,
      hint: 'Copy large files to the machines first, and send a short command.',
    });
  }
  return signed;
}
