import type { Clock } from '../../base/clock.ts';
import type { DiskLayout } from '../../protocol/disk-layout.ts';
import type { Host } from '../host.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { Step } from '../step.ts';

/** How the orchestrator was told. `not_enrolled`: there was no identity to tell it with. */
export type Deregistered = 'done' | 'unreachable' | 'offline' | 'not_enrolled';

/** What the steps of an uninstallation work with. */
export interface RemovalContext {
  mode: 'system' | 'user';
  layout: DiskLayout;
  host: Host;
  clock: Clock;
  /** Logs and configuration go as well. */
  purge: boolean;
  /** Link in the PATH, of an installation for the whole system. */
  command: string;
  orchestratorAt(server: URL): Pick<Orchestrator, 'deregister'>;
  /** A line for the person who removes. */
  note(text: string): void;
  /** How the orchestrator was told; the steps fill it. */
  report: { deregistered: Deregistered; vmIds: string[] };
}

/** What is removed is not brought back. */
export const removalStep = (step: Omit<Step, 'undo'>): Step => ({ ...step, undo: async () => undefined });
