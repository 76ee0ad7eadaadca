import type { ProxySettings } from '../agent/identity/proxy.ts';
import type { Clock } from '../base/clock.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import type { Labels } from '../protocol/provisioning-token.ts';
import type { Owners } from './files.ts';
import type { Host } from './host.ts';
import type { Orchestrator } from './orchestrator.ts';
import type { Source } from './source.ts';

/** What the steps work with; each takes from it what it needs. */
export interface InstallContext {
  /** `user`: no root, no systemd, everything under one folder. */
  mode: 'system' | 'user';
  layout: DiskLayout;
  host: Host;
  clock: Clock;
  orchestrator: Orchestrator;
  server: URL;
  /** From the environment; undefined: the configuration keeps what it has. */
  proxy: ProxySettings | undefined;
  source: Source;
  /** Undefined when none was given: enough for a machine that is enrolled. */
  token: { text: string; id: string } | undefined;
  labels: Labels;
  /** As asked for; undefined: what the configuration says, else 8080 or a free one. */
  port: number | undefined;
  skipDependencies: boolean;
  /** Commands run with root's rights under the policy, through the executor; else inside the agent, with its own. */
  privilegedExecutor: boolean;
  /** Who is to own what. Read when it is needed: a step makes the user. */
  owners(): Promise<Owners>;
  /** A line for the person who installs. */
  note(text: string): void;
}
