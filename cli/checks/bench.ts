import type { Credentials } from '../../agent/identity/credentials.ts';
import type { Clock } from '../../base/clock.ts';
import type { DiskLayout } from '../../protocol/disk-layout.ts';
import type { Owners } from '../../provision/files.ts';
import type { Host } from '../../provision/host.ts';
import type { Way } from './way.ts';

/** Room of a file system. */
export interface Room {
  freeBytes: number;
  freeInodes: number;
  /** 0 where the file system counts none. */
  inodes: number;
}

/** What the checks of an installation look at. Each takes from it what it needs. */
export interface Bench {
  layout: DiskLayout;
  /** Installed for the whole system: by root, with systemd. Otherwise everything is the user's, below one folder. */
  system: boolean;
  host: Host;
  clock: Clock;
  env: Readonly<Record<string, string | undefined>>;
  /** Version of the Node that runs this. */
  nodeVersion: string;
  unitDir: string;
  /** Where the command is linked for everybody. */
  command: string;
  proc: string;
  owners(): Promise<Owners>;
  /** The port of the local interface: what the running agent says, else the configuration. */
  port(): Promise<number>;
  room(path: string): Promise<Room>;
  /** Undefined when this machine is not enrolled or this user may not read it. */
  own(): Promise<Credentials | undefined>;
  way: Way;
}
