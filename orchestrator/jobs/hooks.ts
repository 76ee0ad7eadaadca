import type { Actor } from '../../protocol/command.ts';
import type { JobId, OrganizationId } from '../../protocol/ids.ts';
import type { Preview } from '../../protocol/rest-rollout.ts';
import type { Queryable, Tx } from '../store/store.ts';
import type { Target } from './targets.ts';
import type { Work } from './work.ts';

/** A job as it is about to be stored, or would be. */
export interface Proposed {
  organizationId: OrganizationId;
  /** Absent in a preview. */
  jobId?: JobId;
  actor: Actor;
  address: string | null;
  selector: string;
  work: Work;
  targets: readonly Target[];
  now: number;
}

/** What other parts have to say about a job before it begins. A health check is part of a job that was let go before. */
export interface SubmitHooks {
  /**
   * In the transaction that stores the job, before its commands. True: they wait in `awaiting_approval` until
   * `release` is called with the job. @throws AppError when there is to be no such job.
   */
  hold?(tx: Tx, job: Proposed): Promise<boolean>;
  /** After the rows of the job and its commands were stored, in the same transaction, when it is held. */
  held?(tx: Tx, job: Proposed): Promise<void>;
  /** For a preview: what stands in the way. */
  notices?(db: Queryable, job: Proposed): Promise<Preview['notices']>;
}
