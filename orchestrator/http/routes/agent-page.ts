import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import { createCalls } from '../../calls/call.ts';
import { createDownloads } from '../../calls/download.ts';
import { sweepCalls } from '../../calls/sweep.ts';
import { createUploads } from '../../calls/upload.ts';
import type { Bus } from '../../hub/bus.ts';
import type { Jobs } from '../../jobs/jobs.ts';
import type { MetricsHistory } from '../../metrics/history.ts';
import type { GroupCommit } from '../../store/group-commit.ts';
import type { Store } from '../../store/store.ts';
import type { Agents } from '../../tenancy/agents.ts';
import type { Route } from '../route.ts';
import { agentDetailRoutes } from './agent-detail.ts';
import { callRoutes } from './calls.ts';
import { fileRoutes } from './files.ts';

/** What the page of one agent looks at: calls of its tools, its files, its load, its certificates. */
export function createAgentPage(options: {
  store: Store;
  commits: GroupCommit;
  agents: Agents;
  jobs: Pick<Jobs, 'submit' | 'cancel' | 'files'>;
  metrics: MetricsHistory;
  bus: Bus;
  clock: Clock;
  log: Logger;
}): { routes: Route[]; close(): void } {
  const { store, commits, agents, jobs, metrics, bus, clock, log } = options;
  const { submit, cancel, files } = jobs;
  const calls = createCalls({ store, agents, submit, cancel, files, bus, clock });
  const sweeper = sweepCalls({ commits, files, clock, log });
  return {
    routes: [
      ...callRoutes({ calls, agents, store }),
      ...fileRoutes({
        downloads: createDownloads({ calls }),
        uploads: createUploads({ calls }),
        agents,
        commits,
        clock,
      }),
      ...agentDetailRoutes({ agents, metrics, store }),
    ],
    close: () => sweeper.close(),
  };
}
