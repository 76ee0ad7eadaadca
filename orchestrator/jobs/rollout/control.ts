import type { Clock } from '../../../base/clock.ts';
import type { Actor } from '../../../protocol/command.ts';
import { AppError } from '../../../protocol/errors.ts';
import type { JobId, OrganizationId } from '../../../protocol/ids.ts';
import type { Bus } from '../../hub/bus.ts';
import type { GroupCommit } from '../../store/group-commit.ts';
import type { Tx } from '../../store/store.ts';
import { findEarlier, remember, requestHash } from '../idempotency.ts';
import { findJob } from '../read.ts';
import { saveRollout } from './apply.ts';
import { loadRollout } from './facts.ts';

export interface ControlRequest {
  organizationId: OrganizationId;
  jobId: JobId;
  actor: Actor;
  address: string | null;
  idempotencyKey: string | undefined;
}

/**
 * Holds a rollout back, or lets it go on. A paused one gives nothing new to machines; what is at work goes on. To do
 * what is done already changes nothing. @throws AppError `not_found`, `conflict` when it has no waves or is over.
 */
export type Control = (what: 'pause' | 'resume', request: ControlRequest) => Promise<void>;

const over = (state: string): boolean => state !== 'running' && state !== 'paused';

export function createControl(options: {
  commits: GroupCommit;
  bus: Bus;
  clock: Clock;
  onRollout: (organizationId: OrganizationId, jobId: JobId) => void;
}): Control {
  const { commits, bus, clock, onRollout } = options;

  async function apply(tx: Tx, what: 'pause' | 'resume', request: ControlRequest): Promise<void> {
    const { organizationId, jobId, actor, address } = request;
    const hash = requestHash({ what, jobId });
    if ((await findEarlier(tx, request, hash)) !== undefined) return;
    await findJob(tx, organizationId, jobId);
    const loaded = await loadRollout(tx, organizationId, jobId);
    if (loaded === undefined) {
      throw new AppError('conflict', {
        detail: `${jobId} has no waves: its commands are with their agents already.`,
        hint: 'Cancel it, or give the next one a rollout.',
      });
    }
    const { state } = loaded.row;
    if (over(state)) throw new AppError('conflict', { detail: `${jobId} is ${state.replace('_', ' ')}.` });
    const now = clock.now();
    const wanted = what === 'pause' ? 'paused' : 'running';
    if (state !== wanted) {
      const event = what === 'pause' ? 'paused' : 'resumed';
      await saveRollout(tx, loaded, { state: wanted }, now, { event, actor, address });
    }
    await remember(tx, request, { hash, jobId, now, response: {} });
  }

  return async (what, request) => {
    const { organizationId, jobId } = request;
    await commits.run(
      (tx) => apply(tx, what, request),
      () => {
        bus.publish({ topic: 'job', organization_id: organizationId, job_id: jobId });
        onRollout(organizationId, jobId);
      },
    );
  };
}
