import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import type { FrozenConfig } from './config.ts';
import type { AgentFacts } from './http/health.ts';
import type { PairDisk } from './identity/pair-files.ts';

/** What the wiring file gives the daemon. */
export interface AgentOptions {
  layout: DiskLayout;
  config: FrozenConfig;
  /** Where the configuration was read from, when that is not the usual place. */
  configFile?: string | undefined;
  clock: Clock;
  random: Random;
  log: Logger;
  version: string;
  hostname: string;
  /** Socket of the privileged executor; undefined: commands run inside the daemon, with its rights. */
  executorSocket?: string | undefined;
  /** Whose rights commands have without an executor: the daemon's own. */
  user: { name: string; home: string; lang?: string | undefined };
  runtime: AgentFacts['runtime'];
  /** What this process has used so far. */
  usage(): { cpuSeconds: number; residentBytes: number };
  /** How keys and certificates come to disk, when not as usual. */
  pairDisk?: PairDisk | undefined;
  /** Another certificate for the local port than the agent's own. */
  localTls?: { cert: string; key: string } | undefined;
}
