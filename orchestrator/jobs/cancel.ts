import type { Clock } from '../../base/clock.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { JobId, OrganizationId } from '../../protocol/ids.ts';
import { record } from '../audit/audit.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Dispatch } from './dispatch.ts';
import { commandIdOf, recordChange, selectCommands } from './record-change.ts';

export interface CancelRequest {
  organizationId: OrganizationId;
  jobId: JobId;
  actor: Actor;
  address: string | null;
}

export interface CancelOutcome {
  cancelRequested: number;
  alreadyEnded: number;
}

/** Commands in one transaction: others wait for it. */
const CHUNK = 200;

/**
 * Asks for the end of a job's commands. What never left is final at once; for the rest it is a flag, which the agent
 * is told, now or with its next connection. @throws AppError `not_found`, `not_cancellable` when all have ended.
 */
export type Cancel = (request: CancelRequest) => Promise<CancelOutcome>;

export function createCancel(options: {
  commits: GroupCommit;
  dispatch: Pick<Dispatch, 'cancel'>;
  bus: Bus;
  clock: Clock;
}): Cancel {
  const { commits, dispatch, bus, clock } = options;

  /** Cancels a part of what is open and not yet asked to end. */
  async function cancelSome(request: CancelRequest): Promise<number> {
    const { organizationId, jobId, actor, address } = request;
    const rows = await commits.run(
      async (tx) => {
        const open = await selectCommands(tx, organizationId)
          .where('job_id', '=', jobId)
          .where('ended_at', 'is', null)
          .where('cancel_requested', '=', 0)
          .orderBy('id')
          .limit(CHUNK)
          .execute();
        const asked: typeof open = [];
        for (const row of open) {
          await tx
            .updateTable('commands')
            .set({ cancel_requested: 1 })
            .where('organization_id', '=', organizationId)
            .where('id', '=', row.id)
            .execute();
          const now = clock.now();
          if (await recordChange(tx, row, { kind: 'cancel' }, { now, actor, address })) continue;
          asked.push(row);
          await record(tx, {
            at: now,
            organizationId,
            action: 'command.cancel',
            actor,
            address,
            target: row.id,
            detail: { job_id: jobId, agent_id: row.agent_id },
          });
        }
        return { open, asked };
      },
      ({ asked }) => {
        for (const row of asked) dispatch.cancel(row.agent_id, commandIdOf(row));
        bus.publish({ topic: 'job', organization_id: organizationId, job_id: jobId });
      },
    );
    return rows.open.length;
  }

  return async (request) => {
    const { organizationId, jobId } = request;
    const { total, open } = await commits.run(async (tx) => {
      const job = await tx
        .selectFrom('jobs')
        .select('open_commands')
        .where('organization_id', '=', organizationId)
        .where('id', '=', jobId)
        .executeTakeFirst();
      if (job === undefined) throw new AppError('not_found', { detail: `There is no job ${jobId}.` });
      const all = await tx
        .selectFrom('commands')
        .select((e) => e.fn.countAll<number>().as('n'))
        .where('organization_id', '=', organizationId)
        .where('job_id', '=', jobId)
        .executeTakeFirstOrThrow();
      return { total: Number(all.n), open: job.open_commands };
    });
    if (open === 0) throw new AppError('not_cancellable', { detail: `All commands of ${jobId} have ended.` });
    for (let found = CHUNK; found === CHUNK; ) found = await cancelSome(request);
    return { cancelRequested: open, alreadyEnded: total - open };
  };
}
