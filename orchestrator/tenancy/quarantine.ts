import { AppError } from '../../protocol/errors.ts';
import type { QuarantineReason } from '../../protocol/quarantine.ts';
import { type AuditActor, record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Tx } from '../store/store.ts';

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

/** Of an agent that is admitted: nothing of its quarantine stays. */
export const NO_QUARANTINE = {
  quarantine_reason: null,
  quarantine_detail: null,
  quarantined_at: null,
} as const;
