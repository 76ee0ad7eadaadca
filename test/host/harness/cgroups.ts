// A cgroup for each machine. Without it the systemds of two machines would share one tree, with each other's processes
// in the cgroups of their units; with it everything a machine started can be found and killed, however deep it hides.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from './owner.ts';

/** Mount points of the hierarchies in which systemd keeps its tree: version 2, and version 1's `name=systemd`. */
export function systemdHierarchies(
  mountInfo = readFileSync('/proc/self/mountinfo', 'utf8'),
): readonly string[] {
  return mountInfo.split('\n').flatMap((line) => {
    const [mount, filesystem] = line.split(' - ');
    const point = mount?.split(' ')[4];
    const [type, , options] = filesystem?.split(' ') ?? [];
    const isSystemds =
      type === 'cgroup2' || (type === 'cgroup' && options?.split(',').includes('name=systemd'));
    return point !== undefined && isSystemds ? [point] : [];
  });
}

/** The machine's cgroup in each hierarchy, whether it exists or not. */
export function cgroupsOf(id: string): readonly string[] {
  return systemdHierarchies().map((point) => join(point, `vm-agent-${id}`));
}

export function createCgroups(folders: readonly string[]): void {
  for (const folder of folders) mkdirSync(folder, { recursive: true });
}

/** An argv that enters the cgroups and then becomes the given program. */
export function inCgroups(folders: readonly string[], argv: readonly string[]): readonly string[] {
  const script =
    'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1/cgroup.procs" || exit 125; shift; n=$((n-1)); done; exec "$@"';
  return ['/bin/sh', '-c', script, 'in-cgroups', String(folders.length), ...folders, ...argv];
}

/** Kills all processes in the cgroups, waits until they are gone, and removes the cgroups. */
export async function emptyCgroups(folders: readonly string[], timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const pids = folders.flatMap(processesIn).filter((pid) => pid > 0);
    pids.forEach(kill);
    if (pids.length === 0 && folders.every(removeTree)) return;
    if (performance.now() > deadline)
      throw new Error(`${folders.join(', ')}: processes ${pids.join(', ')} do not end`);
    await sleep(20);
  }
}

export function processesIn(folder: string): number[] {
  return subtree(folder).flatMap((path) => {
    try {
      return readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENODEV') || isErrno(error, 'EOPNOTSUPP')) return [];
      throw error;
    }
  });
}

/** Children before their parents. */
function subtree(folder: string): string[] {
  if (!existsSync(folder)) return [];
  try {
    const children = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...children.flatMap((child) => subtree(join(folder, child.name))), folder];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function removeTree(folder: string): boolean {
  try {
    for (const path of subtree(folder)) rmdirSync(path);
    return true;
  } catch (error) {
    // Busy, or somebody else removes it as well: look again.
    if (isErrno(error, 'EBUSY') || isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}
