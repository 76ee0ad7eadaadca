import type { Clock } from '../../base/clock.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { JobId, OrganizationId } from '../../protocol/ids.ts';
import type { CommandKeys } from '../ca/command-keys.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import { findEarlier, remember, requestHash } from './idempotency.ts';
import { findJob } from './read.ts';
import { selectCommands } from './record-change.ts';
import { type Releaser, readJobRow } from './release.ts';

/** Commands in one transaction: others wait for it. */
const CHUNK = 200;

export interface ReleaseHeldRequest {
  organizationId: OrganizationId;
  jobId: JobId;
  actor: Actor;
  address: string | null;
  idempotencyKey: string | undefined;
}

/**
 * Lets go what is held since a restore: signed anew, with the epoch and the numbers of now. A machine that had done
 * it before says so, and does not do it again. Resolves with how many. @throws AppError `not_found`, `conflict`
 */
export type ReleaseHeld = (request: ReleaseHeldRequest) => Promise<number>;

export function createReleaseHeld(options: {
  commits: GroupCommit;
  keys: Pick<CommandKeys, 'prepareSigner'>;
  releaser: Releaser;
  bus: Bus;
  clock: Clock;
}): ReleaseHeld {
  const { commits, keys, releaser, bus, clock } = options;

  return async (request) => {
    const { organizationId, jobId, actor, address } = request;
    const hash = requestHash({ what: 'release', jobId });
    const signer = await keys.prepareSigner(organizationId);
    let total = 0;
    for (let found = CHUNK; found === CHUNK; total += found) {
      const first = total === 0;
      const { released, count, earlier } = await commits.run(
        async (tx) => {
          const nothing = { released: undefined, count: 0 };
          if (first && (await findEarlier(tx, request, hash)) !== undefined)
            return { ...nothing, earlier: true };
          await findJob(tx, organizationId, jobId);
          const job = await readJobRow(tx, organizationId, jobId);
          const rows = await selectCommands(tx, organizationId)
            .where('job_id', '=', jobId)
            .where('state', '=', 'held')
            .orderBy('position')
            .orderBy('id')
            .limit(CHUNK)
            .execute();
          if (job === undefined || (rows.length === 0 && !first)) return { ...nothing, earlier: false };
          if (rows.length === 0)
            throw new AppError('conflict', {
              detail: `No command of ${jobId} is held.`,
              hint: 'A job that waits for an approval goes on with the approval.',
            });
          const now = clock.now();
          const context = { signer, now, actor, address };
          const given = await releaser.give(tx, job, rows, context);
          if (first) await remember(tx, request, { hash, jobId, now, response: {} });
          return { released: given, count: rows.length, earlier: false };
        },
        ({ released: given }) => {
          if (given !== undefined) releaser.committed(given);
          bus.publish({ topic: 'job', organization_id: organizationId, job_id: jobId });
        },
      );
      found = count;
      if (earlier || released === undefined) return total;
    }
    return total;
  };
}
