import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Sockets that listen on a TCP port, as /proc/net/tcp names them. */
async function listeningInodes(proc: string, port: number): Promise<Set<string>> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const found = new Set<string>();
  for (const name of ['tcp', 'tcp6']) {
    const text = await readFile(join(proc, 'net', name), 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state === '0A' && local.endsWith(`:${hex}`)) found.add(`socket:[${inode}]`);
    }
  }
  return found;
}

interface Listener {
  pid: number;
  /** Path of its program, where that may be seen. */
  program: string;
  /** The systemd unit that it belongs to. */
  unit: string | undefined;
}

/** Who listens on a port; undefined when nobody does or it may not be seen. */
export async function listenerOn(proc: string, port: number): Promise<Listener | undefined> {
  const sockets = await listeningInodes(proc, port);
  if (sockets.size === 0) return undefined;
  for (const pid of (await readdir(proc)).filter((name) => /^\d+$/.test(name))) {
    for (const fd of await readdir(join(proc, pid, 'fd')).catch(() => [])) {
      if (!sockets.has(await readlink(join(proc, pid, 'fd', fd)).catch(() => ''))) continue;
      const program = await readlink(join(proc, pid, 'exe')).catch(() => 'a program');
      const cgroup = await readFile(join(proc, pid, 'cgroup'), 'utf8').catch(() => '');
      const unit = /\/([^/\n]+\.(?:service|scope))(?:\/|$)/m.exec(cgroup)?.[1];
      return { pid: Number(pid), program, unit };
    }
  }
  return undefined;
}
