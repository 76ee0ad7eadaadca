/**
 * Opening paths so that nobody can lead the agent elsewhere between a check and the use. Node has no openat(2); a
 * descriptor's entry under /proc/self/fd gives the same: `/proc/self/fd/N/name` is looked up in the directory that
 * is open as N, whatever its path means by now. Each part is opened with O_NOFOLLOW, and with O_PATH, which opens
 * no device and waits for no FIFO; what is to be read is opened again from that descriptor once its kind is known.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, stat, statfs } from 'node:fs/promises';
import { platform } from 'node:os';
import { AppError } from '../../protocol/errors.ts';

/** open(2): locate only. The same on x86-64 and arm64; Node does not name it. */
const O_PATH = 0o10000000;
const MAX_PATH = 4096;

/** Device and inode: the file itself, whatever it is called and wherever it is mounted. */
export type Identity = `${bigint}:${bigint}`;

export const identityOf = (stats: { dev: bigint; ino: bigint }): Identity => `${stats.dev}:${stats.ino}`;

/** Changes whenever somebody writes to the file or puts another in its place. Digits and hyphens. */
export const versionOf = (stats: { ino: bigint; size: bigint; mtimeNs: bigint }): string =>
  `${stats.ino}-${stats.size}-${stats.mtimeNs}`;

/** The entry of an open descriptor, as a path. */
export const fdPath = (handle: FileHandle, name?: string): string =>
  name === undefined ? `/proc/self/fd/${handle.fd}` : `/proc/self/fd/${handle.fd}/${name}`;

/** Where an open descriptor lies now. */
export const pathOf = (handle: FileHandle): Promise<string> => readlink(fdPath(handle));

/** @throws AppError when it is not an absolute path that the system could take. */
export function checkPathText(path: string): void {
  if (platform() !== 'linux')
    throw new AppError('platform_unsupported', {
      detail: `File tools need Linux: only there can this agent follow a path safely (this is ${platform()}).`,
    });
  const refuse = (detail: string) => {
    throw new AppError('bad_request', { detail });
  };
  if (path.includes('\0')) refuse('A path must not contain a NUL byte.');
  if (!path.startsWith('/'))
    refuse(`A path must be absolute, beginning with "/"; "${path.slice(0, 100)}" is not.`);
  if (Buffer.byteLength(path) > MAX_PATH) refuse(`A path may have ${MAX_PATH} bytes at most.`);
}

/** A directory as an anchor for what is looked up in it. It need not be readable. */
export const openAnchor = (path: string): Promise<FileHandle> =>
  open(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);

/** Any entry of an anchor, links included, without side effects. */
export const openEntry = (anchor: FileHandle, name: string): Promise<FileHandle> =>
  open(fdPath(anchor, name), O_PATH | constants.O_NOFOLLOW);

/** The same file for reading or writing; the caller has checked its kind. Never waits for a writer. */
export const reopen = (handle: FileHandle, flags: number): Promise<FileHandle> =>
  open(fdPath(handle), flags | constants.O_NONBLOCK);

/**
 * Walks from `/` through directories that must not be links. Calls `onEach` with the identity of each one passed,
 * the last included; `onLink` makes the error when one of them is a link.
 */
export async function walk(
  parts: readonly string[],
  onEach: (identity: Identity) => void,
  onLink: (path: string) => Error,
): Promise<FileHandle> {
  let here = await openAnchor('/');
  try {
    onEach(identityOf(await here.stat({ bigint: true })));
    for (const [index, part] of parts.entries()) {
      const next = await openAnchor(fdPath(here, part)).catch(async (cause: NodeJS.ErrnoException) => {
        const entry = await lstat(fdPath(here, part)).catch(() => undefined);
        throw entry?.isSymbolicLink() ? onLink(`/${parts.slice(0, index + 1).join('/')}`) : cause;
      });
      await here.close();
      here = next;
      onEach(identityOf(await here.stat({ bigint: true })));
    }
    return here;
  } catch (cause) {
    await here.close();
    throw cause;
  }
}

/** Identities of those of `paths` that exist. */
export async function identitiesOf(paths: readonly string[]): Promise<Set<Identity>> {
  const found = await Promise.all(
    paths.map((path) =>
      stat(path, { bigint: true }).then(identityOf, (cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR' || cause.code === 'EACCES') return undefined;
        throw cause;
      }),
    ),
  );
  return new Set(found.filter((identity) => identity !== undefined));
}

const PROC = 0x9fa0;
/** File systems whose files are switches of the kernel rather than data (statfs(2)). */
const KERNEL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  PROC,
  0x62656572, // sysfs
  0x63677270, // cgroup2
  0x27e0eb, // cgroup
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0x62656570, // configfs
  0xf97cff8c, // selinuxfs
  0xde5e81e4, // efivarfs
  0xcafe4a11, // bpf
  0x1cd1, // devpts
]);

/** Everything about one process: its environment holds secrets, and its `root` and `fd` lead anywhere. */
const PER_PROCESS = /^\/proc\/(\d+|self|thread-self)(\/|$)/;
/** Reading these copies the machine's memory or takes messages from others. */
const PROC_REFUSED = /^\/proc\/(kcore|kmsg|kpage\w*|sysrq-trigger|acpi\/event)$/;

/** @throws AppError `path_refused` for parts of /proc that say nothing about the machine as a whole. */
export function checkProcPath(path: string): void {
  if (PER_PROCESS.test(path) || PROC_REFUSED.test(path))
    throw new AppError('path_refused', {
      detail: `${path} is refused: entries of processes, memory and the kernel's log in /proc are not read as files.`,
      hint: 'get_process_list tells about processes.',
    });
}

/** `path` is where the descriptor lies. A /proc that is mounted elsewhere is refused as a whole. */
export async function checkFileSystem(
  handle: FileHandle,
  path: string,
  use: 'read' | 'write',
): Promise<void> {
  const magic = (await statfs(fdPath(handle))).type >>> 0;
  const refused =
    use === 'write'
      ? KERNEL_FILE_SYSTEMS.has(magic)
      : magic === PROC && path !== '/proc' && !path.startsWith('/proc/');
  if (refused)
    throw new AppError('path_refused', {
      detail: `${path} lies on a file system of the kernel, not on a disk.`,
      hint:
        use === 'write'
          ? 'Change settings of the kernel with a command such as sysctl.'
          : 'Name it below /proc.',
    });
}

/** Whether this is a file system of the kernel: switches and counters rather than data. */
export const isKernelFileSystem = async (handle: FileHandle): Promise<boolean> =>
  KERNEL_FILE_SYSTEMS.has((await statfs(fdPath(handle))).type >>> 0);
