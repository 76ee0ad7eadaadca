import { type Actor, FAILED_STATES, NOT_RUN_STATES } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AgentId, JobId, OrganizationId } from '../../protocol/ids.ts';
import type { JobRequest, Script } from '../../protocol/rest-jobs.ts';
import type { RetryRequest } from '../../protocol/rest-rollout.ts';
import type { Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { findJob } from './read.ts';
import { planOf, unhealthyOf } from './rollout/read.ts';
import type { Submit, Submitted } from './submit.ts';

export interface RetryOf {
  organizationId: OrganizationId;
  jobId: JobId;
  actor: Actor;
  address: string | null;
  idempotencyKey: string | undefined;
  which: NonNullable<RetryRequest['which']>;
}

/**
 * A new job on machines of an ended one where it did not succeed, linked to it. They must still be active agents.
 * @throws AppError `not_found`, `conflict` while it goes on or when there is nothing to try again.
 */
export type Retry = (request: RetryOf) => Promise<Submitted>;

const STATES = {
  failed: FAILED_STATES,
  not_run: NOT_RUN_STATES,
  all: [...FAILED_STATES, ...NOT_RUN_STATES],
} as const;

/** The request that made a job, as far as it is kept. */
function requestOf(job: Row<'jobs'>, rollout: Row<'rollouts'> | undefined): JobRequest {
  const args = JSON.parse(job.arguments) as Record<string, unknown>;
  const script = job.script === null ? undefined : (JSON.parse(job.script) as Omit<Script, 'body'>);
  return {
    selector: job.selector,
    tool: script === undefined ? job.tool : 'execute_shell_command',
    arguments: script === undefined ? args : {},
    ...(script === undefined ? {} : { script: { ...script, body: String(args['stdin']) } }),
    ...(rollout === undefined ? {} : { rollout: planOf(rollout) }),
    timeout: job.timeout_s,
    ...(job.expires_in_s === null ? {} : { expires_in: job.expires_in_s }),
    ...(job.lane === null ? {} : { lane: job.lane }),
    description: job.description,
  };
}

export function createRetry(options: { store: Pick<Store, 'db'>; submit: Submit }): Retry {
  const { db } = options.store;
  return async ({ organizationId, jobId, actor, address, idempotencyKey, which }) => {
    const job = await findJob(db, organizationId, jobId);
    const rollout = await db
      .selectFrom('rollouts')
      .selectAll()
      .where('organization_id', '=', organizationId)
      .where('job_id', '=', jobId)
      .executeTakeFirst();
    if (job.open_commands > 0)
      throw new AppError('conflict', {
        detail: `${jobId} goes on.`,
        hint: 'Wait for its end, or cancel it first.',
      });
    // What was unwell after its wave counted as failed.
    const unwell = rollout === undefined || which === 'not_run' ? [] : [...unhealthyOf(rollout)];
    const rows = await db
      .selectFrom('commands')
      .select('agent_id')
      .where('organization_id', '=', organizationId)
      .where('job_id', '=', jobId)
      .where((e) =>
        e.or([
          e('state', 'in', STATES[which]),
          ...(unwell.length === 0 ? [] : [e.and([e('state', '=', 'succeeded'), e('vm_id', 'in', unwell)])]),
        ]),
      )
      .execute();
    if (rows.length === 0) {
      const what =
        which === 'failed' ? 'failed' : which === 'not_run' ? 'was left out' : 'failed or was left out';
      throw new AppError('conflict', {
        detail: `No machine of ${jobId} ${what}.`,
        hint: 'Retry with which=all means failed machines and those that it did not run on.',
      });
    }
    return options.submit({
      organizationId,
      actor,
      address,
      idempotencyKey,
      body: requestOf(job, rollout),
      origin: { kind: 'retry', jobId, agentIds: new Set(rows.map(({ agent_id }) => agent_id as AgentId)) },
    });
  };
}
