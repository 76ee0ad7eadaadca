import type { CommandState, Reason } from '../../../protocol/command.ts';
import { type AuditActor, recordAll } from '../../audit/audit.ts';
import type { Tx } from '../../store/store.ts';
import { inChunks } from '../issue.ts';
import { stateEvent, takeEventIds } from '../record-change.ts';

/**
 * Ends all commands of a job that were not given to their agents, in few statements: there may be thousands, and
 * nothing of an agent's own can come between.
 */
export async function endWaiting(
  tx: Tx,
  job: { organizationId: string; jobId: string },
  end: { state: Extract<CommandState, 'skipped' | 'expired' | 'cancelled'>; reason: Reason | null },
  by: { now: number; actor: AuditActor; address?: string | null },
): Promise<number> {
  const { organizationId, jobId } = job;
  const { now, actor, address = null } = by;
  const waiting = await tx
    .selectFrom('commands')
    .select(['organization_id', 'job_id', 'id', 'agent_id', 'state'])
    .where('organization_id', '=', organizationId)
    .where('job_id', '=', jobId)
    .where('state', 'in', ['scheduled', 'awaiting_approval', 'held', 'queued'])
    .orderBy('position')
    .orderBy('id')
    .execute();
  if (waiting.length === 0) return 0;
  await inChunks(waiting, (rows) =>
    tx
      .updateTable('commands')
      .set({ state: end.state, reason: end.reason, ended_at: now })
      .where('organization_id', '=', organizationId)
      .where(
        'id',
        'in',
        rows.map(({ id }) => id),
      )
      .execute(),
  );
  const { first } = await takeEventIds(tx, job, waiting.length, waiting.length);
  const events = waiting.map((row, index) =>
    stateEvent(row, { id: first + index, at: now, state: end.state, reason: end.reason }),
  );
  await inChunks(events, (rows) => tx.insertInto('job_events').values(rows).execute());
  await recordAll(
    tx,
    waiting.map((row) => ({
      at: now,
      organizationId,
      action: 'command.state',
      actor,
      address,
      target: row.id,
      detail: {
        job_id: jobId,
        agent_id: row.agent_id,
        from: row.state,
        to: end.state,
        ...(end.reason === null ? {} : { reason: end.reason }),
      },
    })),
  );
  return waiting.length;
}
