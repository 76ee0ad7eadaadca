import type { Clock } from '../../base/clock.ts';
import type { Shutdown } from '../../base/shutdown.ts';
import type { Bootstrap } from '../../protocol/rest-fleet.ts';

export type Output = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean };
type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** What the command line hands to the server; the names are those of the flags. */
export interface ServeFlags {
  data: string;
  listen: string;
  publicUrl?: string;
  store: string;
  bus: string;
  tlsCert?: string;
  tlsKey?: string;
  trustDomain?: string;
  agentListen?: string;
  proxyProtocolFrom?: string;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** What needs the store and the CA on this machine; the other subcommands speak REST. */
export interface ServerActions {
  /** Resolves when the server has stopped, with the exit code. */
  serve(flags: ServeFlags): Promise<number>;
  bootstrap(options: { data: string }): Promise<Bootstrap>;
  adminReset(options: { data: string }): Promise<Bootstrap>;
}

/** Everything that a subcommand may touch of the process that it runs in. */
export interface CliDeps {
  version: string;
  env: EnvironmentVariables;
  stdout: Output;
  stderr: Output;
  clock: Clock;
  /** Takes over SIGINT and SIGTERM from the call on; the first asks to stop, the second insists. */
  shutdown(): Shutdown;
  /** The exit code, when it is not 0 although nothing failed here. */
  exitWith(code: number): void;
  server: ServerActions;
}

/** Where `serve` keeps its data when nothing else is said. */
export const DEFAULT_DATA = './vm-orchestrator-data';
