import type { Clock } from '../../base/clock.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { JobId, OrganizationId } from '../../protocol/ids.ts';
import { record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store, Tx } from '../store/store.ts';
import type { Dispatch } from './dispatch.ts';
import { findEarlier, remember, requestHash } from './idempotency.ts';
import { findJob } from './read.ts';
import { commandIdOf, recordChange, selectCommands } from './record-change.ts';
import { endRollout } from './rollout/apply.ts';
import { endWaiting } from './rollout/end-waiting.ts';
import { loadRollout } from './rollout/facts.ts';

export interface CancelRequest {
  organizationId: OrganizationId;
  jobId: JobId;
  actor: Actor;
  address: string | null;
  idempotencyKey?: string | undefined;
}

export interface CancelOutcome {
  cancelRequested: number;
  alreadyEnded: number;
}

const keyed = (request: CancelRequest) => ({ ...request, idempotencyKey: request.idempotencyKey });

/** Commands in one transaction: others wait for it. */
const CHUNK = 200;

/**
 * Asks for the end of a job's commands. What never left is final at once; for the rest it is a flag, which the agent
 * is told, now or with its next connection. @throws AppError `not_found`, `not_cancellable` when all have ended.
 */
export interface Cancel {
  (request: CancelRequest): Promise<CancelOutcome>;
  /** Goes on with the cancels that a killed orchestrator had begun. */
  recover(): Promise<void>;
}

export function createCancel(options: {
  store: Pick<Store, 'db'>;
  commits: GroupCommit;
  dispatch: Pick<Dispatch, 'cancel'>;
  bus: Bus;
  clock: Clock;
}): Cancel {
  const { store, commits, dispatch, bus, clock } = options;

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

  /** The rest of it begins no more, whatever is at work. */
  async function endWaves(tx: Tx, { organizationId, jobId, actor, address }: CancelRequest): Promise<void> {
    const loaded = await loadRollout(tx, organizationId, jobId);
    if (loaded === undefined || loaded.row.ended_at !== null) return;
    const by = { now: clock.now(), actor, address };
    await endWaiting(tx, { organizationId, jobId }, { state: 'cancelled', reason: null }, by);
    await endRollout(tx, loaded, by.now, { state: 'cancelled', event: 'cancelled', actor, address });
  }

  async function begin(tx: Tx, request: CancelRequest, hash: string) {
    const { organizationId, jobId } = request;
    const earlier = await findEarlier(tx, keyed(request), hash);
    // The rest of an earlier try that was cut off is done now.
    if (earlier !== undefined) return { outcome: earlier.response as CancelOutcome, jobs: [jobId] };
    const job = await findJob(tx, organizationId, jobId);
    if (job.open_commands === 0)
      throw new AppError('not_cancellable', { detail: `All commands of ${jobId} have ended.` });
    const counts = await tx
      .selectFrom('commands')
      .select((e) => [e.fn.countAll<number>().as('total'), e.fn.count<number>('ended_at').as('ended')])
      .where('organization_id', '=', organizationId)
      .where('job_id', '=', jobId)
      .executeTakeFirstOrThrow();
    await endWaves(tx, request);
    const checks = await tx
      .selectFrom('jobs')
      .select('id')
      .where('organization_id', '=', organizationId)
      .where('check_of', '=', jobId)
      .where('open_commands', '>', 0)
      .execute();
    const ended = Number(counts.ended);
    const outcome: CancelOutcome = { cancelRequested: Number(counts.total) - ended, alreadyEnded: ended };
    await remember(tx, keyed(request), {
      hash,
      jobId,
      now: clock.now(),
      response: outcome,
    });
    return { outcome, jobs: [jobId, ...checks.map(({ id }) => id as JobId)] };
  }

  const cancel = async (request: CancelRequest): Promise<CancelOutcome> => {
    const hash = requestHash({ what: 'cancel', jobId: request.jobId });
    const begun = await commits.run((tx) => begin(tx, request, hash));
    for (const jobId of begun.jobs)
      for (let found = CHUNK; found === CHUNK; ) found = await cancelSome({ ...request, jobId });
    return begun.outcome;
  };
  /** Whoever cancelled a rollout meant all of its commands. */
  async function recover(): Promise<void> {
    const cut = await store.db
      .selectFrom('rollouts as r')
      .innerJoin('commands as c', (join) =>
        join.onRef('c.organization_id', '=', 'r.organization_id').onRef('c.job_id', '=', 'r.job_id'),
      )
      .select(['r.organization_id', 'r.job_id'])
      .distinct()
      .where('r.state', '=', 'cancelled')
      .where('c.ended_at', 'is', null)
      .where('c.cancel_requested', '=', 0)
      .execute();
    for (const { organization_id, job_id } of cut) {
      const request = {
        organizationId: organization_id as OrganizationId,
        jobId: job_id as JobId,
        actor: SYSTEM_ACTOR,
        address: null,
      };
      for (let found = CHUNK; found === CHUNK; ) found = await cancelSome(request);
    }
  }

  return Object.assign(cancel, { recover });
}
