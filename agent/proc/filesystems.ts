import { type StatsFs, statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { readText } from './read.ts';

export interface Mount {
  mount: string;
  device: string;
  type: string;
  readOnly: boolean;
  /** Major and minor number: the same for every mount of one file system. */
  id: string;
}

export interface FileSystem extends Mount {
  total: number;
  free: number;
  /** What a user who is not root may still use. */
  available: number;
  inodesTotal: number;
  inodesFree: number;
}

/** The kernel's own views, images that are always full, and what node_exporter leaves out as well. */
const PSEUDO =
  /^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|fuse\.lxcfs|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$/;
const HIDDEN = /^\/(dev|proc|sys|run\/credentials|run\/user|var\/lib\/(docker|containers))(\/|$)/;
/** Asking these waits for another machine, which may be gone. */
const REMOTE = /^(nfs|cifs|smb|ceph|glusterfs|9p|afs|fuse\.)/;
const REMOTE_PATIENCE_MS = 500;

const unescapePath = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** The text of /proc/self/mountinfo: each file system once, by its shortest mount point. */
export function parseMounts(text: string): Mount[] {
  const found = new Map<string, Mount>();
  for (const line of text.split('\n')) {
    const [left = '', right = ''] = line.split(' - ', 2);
    const [, , id, , path, options] = left.split(' ');
    const [type, device] = right.split(' ');
    if (id === undefined || path === undefined || type === undefined) continue;
    const mount = unescapePath(path);
    // In a container the root itself is an overlay.
    if (mount !== '/' && (PSEUDO.test(type) || HIDDEN.test(mount))) continue;
    const known = found.get(id);
    if (known !== undefined && known.mount.length <= mount.length) continue;
    const readOnly = (options ?? '').split(',').includes('ro');
    found.set(id, { mount, device: unescapePath(device ?? ''), type, readOnly, id });
  }
  return [...found.values()];
}

function withSpace(mount: Mount, stats: StatsFs): FileSystem | undefined {
  if (stats.blocks === 0) return undefined;
  return {
    ...mount,
    total: stats.blocks * stats.bsize,
    free: stats.bfree * stats.bsize,
    available: stats.bavail * stats.bsize,
    inodesTotal: stats.files,
    inodesFree: stats.ffree,
  };
}

/** Reads the space of every mounted file system. One that does not answer is left out and not asked again until it does. */
export class FileSystems {
  readonly #proc: string;
  readonly #clock: Clock;
  readonly #silent = new Set<string>();

  constructor(options: { proc: string; clock: Clock }) {
    this.#proc = options.proc;
    this.#clock = options.clock;
  }

  async read(): Promise<FileSystem[]> {
    const mounts = parseMounts(readText(`${this.#proc}/self/mountinfo`, 'utf8'));
    const found = await Promise.all(mounts.map((mount) => this.#space(mount)));
    return found.filter((entry) => entry !== undefined);
  }

  #space(mount: Mount): FileSystem | undefined | Promise<FileSystem | undefined> {
    if (REMOTE.test(mount.type)) return this.#remote(mount);
    try {
      return withSpace(mount, statfsSync(mount.mount));
    } catch {
      // Not ours to look at, or unmounted meanwhile.
      return undefined;
    }
  }

  async #remote(mount: Mount): Promise<FileSystem | undefined> {
    const { mount: path } = mount;
    if (this.#silent.has(path)) return undefined;
    this.#silent.add(path);
    const patience = new AbortController();
    const asked = statfs(path).then(
      (stats) => withSpace(mount, stats),
      () => undefined,
    );
    asked.finally(() => {
      this.#silent.delete(path);
      patience.abort();
    });
    const tooLate = this.#clock.sleep(REMOTE_PATIENCE_MS, patience.signal).then(
      () => undefined,
      () => asked,
    );
    return Promise.race([asked, tooLate]);
  }
}
