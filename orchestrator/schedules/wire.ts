import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Store } from '../store/store.ts';
import { createScheduleEngine, type ScheduleEngine } from './engine.ts';
import { noApprovals } from './no-approvals.ts';
import { createSavedCommands, type SavedCommands } from './saved-commands.ts';
import { createSchedules, type Schedules } from './schedules.ts';

export interface Scheduling {
  schedules: Schedules;
  engine: ScheduleEngine;
  saved: SavedCommands;
}

/** Joins the parts of schedules and saved commands; decides nothing. */
export function createScheduling(options: {
  store: Store;
  jobs: Jobs;
  clock: Clock;
  log: Logger;
}): Scheduling {
  const { store, jobs, clock, log } = options;
  const requireNoApprovals = noApprovals(jobs.preview);
  return {
    schedules: createSchedules({ store, clock, cancel: jobs.cancel, requireNoApprovals }),
    engine: createScheduleEngine({ store, submit: jobs.submit, clock, log, requireNoApprovals }),
    saved: createSavedCommands({ store, clock }),
  };
}
