import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { type Approvals, createApprovals } from './approvals/approvals.ts';
import type { JobsOfApprovals } from './approvals/decide.ts';
import { createApprovalRules } from './approvals/rules.ts';
import type { Caller } from './http/auth.ts';
import type { LiveAccess } from './http/live-access.ts';
import type { Route } from './http/route.ts';
import { approvalRoutes } from './http/routes/approvals.ts';
import { lockRoutes } from './http/routes/locks.ts';
import type { Bus } from './hub/bus.ts';
import { createDispatchLocks, type DispatchLockView } from './locks/dispatch-locks.ts';
import { createLocks, type Locks } from './locks/locks.ts';
import type { Store } from './store/store.ts';

/** What stands between somebody's wish and the machines: approvals and locks. */
export interface Controls {
  locks: Locks;
  dispatchLocks: DispatchLockView;
  /** What jobs ask before they begin. */
  hooks: Approvals['gate'];
  /** Jobs ask the controls, and approvals let jobs go: they are made first, and told here. */
  useJobs(jobs: JobsOfApprovals): void;
  /** @throws AppError `locked` */
  refuseLocked(caller: Caller, organizationId: string): Promise<void>;
  routes(options: { access: Pick<LiveAccess, 'watch'>; stopping: AbortSignal }): Route[];
  /** Ends what nobody decided on while nobody looked. */
  recover(): Promise<void>;
  close(): void;
}

export function createControls(options: {
  store: Store;
  bus: Bus;
  clock: Clock;
  log: Logger;
  outputCap: number;
}): Controls {
  const { store, bus, clock } = options;
  let jobs: JobsOfApprovals | undefined;
  const locks = createLocks({ store, bus, clock });
  const dispatchLocks = createDispatchLocks(options);
  const approvals = createApprovals({
    ...options,
    jobs: () => {
      if (jobs === undefined) throw new Error('jobs are not there yet');
      return jobs;
    },
  });
  const rules = createApprovalRules({ store, clock });
  return {
    locks,
    dispatchLocks,
    hooks: approvals.gate,
    useJobs: (given) => {
      jobs = given;
    },
    refuseLocked: ({ actor }, organizationId) => locks.refuse(organizationId, { actor }),
    routes: (route) => [
      ...approvalRoutes({ store, approvals, rules, bus, clock, ...route }),
      ...lockRoutes({ locks }),
    ],
    recover: () => approvals.sweep(),
    close() {
      approvals.close();
      dispatchLocks.close();
      locks.close();
    },
  };
}
