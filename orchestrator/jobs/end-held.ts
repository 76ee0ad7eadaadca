import type { AuditActor } from '../audit/audit.ts';
import type { Tx } from '../store/store.ts';
import type { CommandEvent } from './progress.ts';
import { endEvent, recordChange, selectCommands, takeEventIds } from './record-change.ts';

/** Ends a job that waits for an approval which will not come, in the caller's transaction. */
export async function endHeld(
  tx: Tx,
  job: { organizationId: string; jobId: string },
  event: Extract<CommandEvent, { kind: 'withheld' | 'deadline' }>,
  context: { now: number; actor: AuditActor; address: string | null },
): Promise<void> {
  const rows = await selectCommands(tx, job.organizationId)
    .where('job_id', '=', job.jobId)
    .where('state', '=', 'awaiting_approval')
    .execute();
  for (const row of rows) await recordChange(tx, row, event, context);
  // A job in waves is open as long as its rollout is.
  const rollout = await tx
    .updateTable('rollouts')
    .set({ state: 'cancelled', ended_at: context.now })
    .where('organization_id', '=', job.organizationId)
    .where('job_id', '=', job.jobId)
    .where('state', '=', 'awaiting_approval')
    .returning('job_id')
    .executeTakeFirst();
  if (rollout === undefined) return;
  const { first, openCommands } = await takeEventIds(tx, job, 1, 1);
  if (openCommands === 0)
    await tx
      .insertInto('job_events')
      .values(endEvent(job, first, context.now))
      .execute();
}
