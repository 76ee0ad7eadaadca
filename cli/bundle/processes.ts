import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Processes of our units, or of an installation of one's own: no command lines, which may hold secrets. */
export async function processList(proc: string, root: string): Promise<string> {
  const rows: string[] = [];
  for (const pid of (await readdir(proc)).filter((name) => /^\d+$/.test(name))) {
    const [cgroup, status, exe] = await Promise.all([
      readFile(join(proc, pid, 'cgroup'), 'utf8').catch(() => ''),
      readFile(join(proc, pid, 'status'), 'utf8').catch(() => ''),
      readlink(join(proc, pid, 'exe')).catch(() => ''),
    ]);
    const unit = /\/((?:vm-agent|vmagent)[^/\n]*)/.exec(cgroup)?.[1];
    if (unit === undefined && !exe.startsWith(`${root}/`)) continue;
    const value = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '-';
    const uid = value('Uid').split(/\s/)[0];
    rows.push(
      [pid, value('PPid'), uid, value('State'), value('VmRSS'), value('Name'), unit ?? '-'].join('\t'),
    );
  }
  return `PID\tPPID\tUID\tSTATE\tRSS\tNAME\tUNIT\n${rows.join('\n')}\n`;
}
