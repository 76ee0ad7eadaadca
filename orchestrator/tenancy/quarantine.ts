import { AppError } from '../../protocol/errors.ts';
import type { QuarantineReason } from '../../protocol/quarantine.ts';
import { type AuditActor, record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

/** Detail is shown in one line of a table. */
const MAX_DETAIL = 512;

export interface QuarantineRequest {
  organizationId: string;
  agentId: string;
  reason: QuarantineReason;
  /** What was seen, for people. Never a secret. */
  detail?: string | null;
  /** Milliseconds since the epoch. */
  at: number;
  /** Left out: the orchestrator itself. */
  actor?: AuditActor;
  address?: string | null;
}

/**
 * Puts an agent into quarantine, in the transaction that found out why: it keeps its identity, its socket is closed,
 * and nothing is sent to it until an operator admits it. Its queued commands wait, until they expire. False: it was there
 * already, and keeps the reason that it has. After the commit the caller publishes `{topic: 'revoked', agent_id, state:
 * 'quarantined'}`, which closes the socket at once; a lost hint is made good by the hub's sweep within 5 s.
 * @throws AppError `not_found`, `conflict` when it was revoked.
 */
export async function quarantine(tx: Tx, request: QuarantineRequest): Promise<boolean> {
  const { organizationId, agentId, reason, at } = request;
  const row = await tx
    .selectFrom('agents')
    .select(['state', 'vm_id'])
    .where('organization_id', '=', organizationId)
    .where('id', '=', agentId)
    .executeTakeFirst();
  if (row === undefined) throw new AppError('not_found', { detail: `There is no agent ${agentId} here.` });
  if (row.state === 'revoked') throw new AppError('conflict', { detail: `${row.vm_id} was revoked.` });
  if (row.state === 'quarantined') return false;
  const detail = request.detail?.slice(0, MAX_DETAIL) ?? null;
  await tx
    .updateTable('agents')
    .set({
      state: 'quarantined',
      quarantine_reason: reason,
      quarantine_detail: detail,
      quarantined_at: at,
    })
    .where('organization_id', '=', organizationId)
    .where('id', '=', agentId)
    .execute();
  await record(tx, {
    at,
    organizationId,
    action: 'agent.quarantine',
    actor: request.actor ?? SYSTEM_ACTOR,
    address: request.address ?? null,
    target: agentId,
    detail: {
      vm_id: row.vm_id,
      from: row.state,
      reason,
      ...(detail === null ? {} : { detail }),
      // Nobody asked for it: somebody should look.
      ...(reason === 'operator' ? {} : { alarm: true }),
    },
  });
  return true;
}

/**
 * Ends a quarantine, in the caller's transaction. Admitting means: the machine that asks is the one that it says, as it is
 * now. So the machine hash that it showed becomes the known one, a certificate that has ended may be exchanged for a new
 * one, and what a rolled-back disk has forgotten counts no more. None of its commands goes out twice: those that had
 * been sent are over, and the next one has a higher number than any before.
 */
export async function admit(
  tx: Tx,
  request: { row: Row<'agents'>; at: number; actor: AuditActor; address: string | null },
): Promise<void> {
  const { row, at, actor, address } = request;
  const { quarantine_reason: reason, seen_machine_hash: seen } = row;
  const own = { organization_id: row.organization_id, id: row.id };
  await tx
    .updateTable('agents')
    .set({
      state: 'active',
      quarantine_reason: null,
      quarantine_detail: null,
      quarantined_at: null,
      seen_machine_hash: null,
      ...(seen === null ? {} : { machine_hash: seen }),
      ...(reason === 'rolled_back' ? { taken_seq: 0, taken_floor: await highestSent(tx, own) } : {}),
    })
    .where('organization_id', '=', own.organization_id)
    .where('id', '=', own.id)
    .execute();
  await tx
    .updateTable('certificates')
    .set({ readmitted_at: at })
    .where('organization_id', '=', own.organization_id)
    .where('agent_id', '=', own.id)
    .where('revoked_at', 'is', null)
    .where('not_after', '<=', at)
    .execute();
  await record(tx, {
    at,
    organizationId: own.organization_id,
    action: 'agent.admit',
    actor,
    address,
    target: own.id,
    detail: { vm_id: row.vm_id, from: row.state, ...(reason === null ? {} : { reason }) },
  });
}

/** The highest command seq that may have reached an agent: commands leave in the order of their numbers. */
async function highestSent(tx: Tx, agent: { organization_id: string; id: string }): Promise<number> {
  const row = await tx
    .selectFrom('commands')
    .select('seq')
    .where('organization_id', '=', agent.organization_id)
    .where('agent_id', '=', agent.id)
    .where('seq', 'is not', null)
    .where('sent_at', 'is not', null)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.seq ?? 0;
}
