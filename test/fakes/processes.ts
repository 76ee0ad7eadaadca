import { readFileSync } from 'node:fs';

/** Whether a process runs. A zombie does not: it only waits for its parent, which may be a slow init. */
export function isAlive(pid: number | string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
