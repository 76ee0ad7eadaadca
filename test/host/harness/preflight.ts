// Whether this machine can run the host suite. As a program it prints the reasons why not as a JSON array.
import { existsSync } from 'node:fs';
import { systemdHierarchies } from './cgroups.ts';
import { runProgram } from './command.ts';

/** The suite's programs and the packages of Debian and Ubuntu that bring them. */
const hostSuitePrograms: Readonly<Record<string, string>> = {
  'systemd-nspawn': 'systemd-container',
  mmdebstrap: 'mmdebstrap',
  ip: 'iproute2',
  sysctl: 'procps',
  nsenter: 'util-linux',
  unshare: 'util-linux',
};

/** Why the host suite cannot run here, one sentence each; empty if it can. */
export async function hostSuiteObstacles(): Promise<readonly string[]> {
  if (process.platform !== 'linux')
    return [`it boots Linux machines in containers, and this is ${process.platform}`];
  if (process.getuid?.() !== 0) return ['it makes namespaces and mounts: run it as root'];
  const missing = [];
  for (const [program, name] of Object.entries(hostSuitePrograms)) {
    const found = await runProgram(['/bin/sh', '-c', 'command -v "$1"', 'sh', program]);
    if (found.code !== 0) missing.push(`${program} is missing: install the package ${name}`);
  }
  if (!existsSync('/etc/debian_version'))
    missing.push('it builds its machines from this system’s apt sources: run it on Debian or Ubuntu');
  if (systemdHierarchies().length === 0)
    missing.push('no cgroup hierarchy that systemd can use is mounted below /sys/fs/cgroup');
  if (missing.length > 0) return missing;
  const unshare = await runProgram([
    'unshare',
    '--mount',
    '--net',
    '--pid',
    '--ipc',
    '--uts',
    '--cgroup',
    '--fork',
    'true',
  ]);
  return unshare.code === 0 ? [] : [`namespaces cannot be made here: ${unshare.err.trim()}`];
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await hostSuiteObstacles())}\n`);
