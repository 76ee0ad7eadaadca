// How a command gets from the host into a machine: into its cgroup, its namespaces, and a login's environment.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { inCgroups } from './cgroups.ts';
import type { CommandOptions } from './command.ts';

/** An argv, or text for /bin/sh -c. */
export type Command = string | readonly string[];

export interface RunOptions extends Pick<CommandOptions, 'input' | 'timeoutMs'> {
  /** Added to PATH, HOME, LANG, USER and LOGNAME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: root. */
  readonly user?: string;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

// Runs in the machine, where the user's home is known.
const becomeUser = 'export HOME="$(getent passwd "$0" | cut -d: -f6)"; exec runuser -u "$0" -- "$@"';

/** The host's argv that runs a command in the machine of this leader. */
export function insideArgv(
  leader: number,
  cgroups: readonly string[],
  command: Command,
  options: RunOptions,
): readonly string[] {
  const user = options.user ?? 'root';
  const env = { PATH: path, LANG: 'C.UTF-8', USER: user, LOGNAME: user, HOME: '/root', ...options.env };
  const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const asUser = user === 'root' ? [] : ['/bin/sh', '-c', becomeUser, user];
  // A folder beside systemd's own units, so that the command sees a cgroup of this machine and dies with it.
  const folders = cgroups.map((folder) => join(folder, 'payload/commands'));
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  const enter = ['nsenter', '--target', String(leader), '--all', '--'];
  return inCgroups(folders, [...enter, 'env', '-i', ...words, ...asUser, ...shellWords(command)]);
}

export function shellWords(command: Command): readonly string[] {
  return typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
}
