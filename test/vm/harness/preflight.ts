// Whether this machine can run the vm suite. As a program it prints the reasons why not as a JSON array.
import { existsSync } from 'node:fs';
import { arch, totalmem } from 'node:os';
import { systemdHierarchies } from '../../host/harness/cgroups.ts';
import { runProgram } from '../../host/harness/command.ts';

/** The suite's programs and the packages of Debian and Ubuntu that bring them. */
const programs: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-img': 'qemu-utils',
  mmdebstrap: 'mmdebstrap',
  'mkfs.ext4': 'e2fsprogs',
  'cloud-localds': 'cloud-image-utils',
  ip: 'iproute2',
  curl: 'curl',
};

/** A virtual machine has 1 GiB, and the host needs some for itself. */
const leastMemory = 2 * 1024 ** 3;

/** Why the vm suite cannot run here, one sentence each; empty if it can. */
export async function vmSuiteObstacles(): Promise<readonly string[]> {
  if (process.platform !== 'linux') return [`it is made for Linux, and this is ${process.platform}`];
  if (process.getuid?.() !== 0) return ['it makes a file system with root’s files in it: run it as root'];
  const missing: string[] = [];
  for (const [program, name] of Object.entries(programs)) {
    const found = await runProgram(['/bin/sh', '-c', 'command -v "$1"', 'sh', program]);
    if (found.code !== 0) missing.push(`${program} is missing: install the package ${name}`);
  }
  if (arch() !== 'x64') missing.push(`it emulates x86-64 with this system’s packages, and this is ${arch()}`);
  if (!existsSync('/etc/debian_version'))
    missing.push('it builds its image from this system’s apt sources: run it on Debian or Ubuntu');
  if (systemdHierarchies().length === 0)
    missing.push('no cgroup hierarchy that systemd can use is mounted below /sys/fs/cgroup');
  if (totalmem() < leastMemory) missing.push('a virtual machine needs 1 GiB: 2 GiB of memory at least');
  return missing;
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await vmSuiteObstacles())}\n`);
