import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../../base/atomic-file.ts';
import type { Stream } from '../../protocol/command.ts';

export interface OutputKey {
  organizationId: string;
  commandId: string;
  stream: Stream;
}

/**
 * The bytes of commands' streams, a file each: `<directory>/<organization>/<command>.<stream>`. How many of them
 * count stands in the store; what lies behind was written by somebody who died before the commit.
 */
export interface OutputStore {
  /** Writes at an offset and returns when the bytes are on the disk. The file stays open for the next ones. */
  write(key: OutputKey, offset: number, chunks: readonly Uint8Array[]): Promise<void>;
  /** At most `length` bytes from `offset`; fewer at the end of the file. A stream that never came is empty. */
  read(key: OutputKey, offset: number, length: number): Promise<Buffer>;
  /** Takes a stream off the disk that nobody reads again. */
  remove(key: OutputKey): Promise<void>;
  /** No more is to be written to this stream for now. */
  release(key: OutputKey): void;
  close(): Promise<void>;
}

/** Files that are kept open between two writes. */
const MAX_OPEN = 64;

interface Open {
  handle: Promise<FileHandle>;
  /** Calls that use it; it is closed when there are none. */
  users: number;
}

export function createOutputStore(directory: string): OutputStore {
  const folders = new Map<string, Promise<string>>();

  async function makeFolder(organizationId: string): Promise<string> {
    const folder = join(directory, organizationId);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await syncDirectory(directory);
    return folder;
  }
  function folderOf(organizationId: string): Promise<string> {
    const present = folders.get(organizationId);
    if (present !== undefined) return present;
    const made = makeFolder(organizationId);
    made.catch(() => folders.delete(organizationId));
    folders.set(organizationId, made);
    return made;
  }
  const nameOf = (key: OutputKey) => `${key.commandId}.${key.stream}`;
  const pathOf = (key: OutputKey) => join(directory, key.organizationId, nameOf(key));

  /** The least recently used first. */
  const opened = new Map<string, Open>();
  const closing = new Set<Promise<void>>();

  function closeFile(path: string, entry: Open): void {
    if (opened.get(path) === entry) opened.delete(path);
    // A file that could not be opened told its user so.
    const closed = entry.handle.then(
      (handle) => handle.close(),
      () => undefined,
    );
    const settled = closed.catch(() => undefined).finally(() => closing.delete(settled));
    closing.add(settled);
  }

  function closeUnused(): void {
    for (const [path, entry] of opened) {
      if (opened.size <= MAX_OPEN) return;
      if (entry.users === 0) closeFile(path, entry);
    }
  }

  /** Runs `work` on the open file of a path; after a failure it is opened anew. */
  async function using<T>(path: string, entry: Open, work: (handle: FileHandle) => Promise<T>): Promise<T> {
    entry.users += 1;
    opened.delete(path);
    opened.set(path, entry);
    try {
      return await work(await entry.handle);
    } catch (cause) {
      if (opened.get(path) === entry) opened.delete(path);
      throw cause;
    } finally {
      entry.users -= 1;
      if (entry.users === 0 && opened.get(path) !== entry) closeFile(path, entry);
      closeUnused();
    }
  }

  async function writeAll(handle: FileHandle, offset: number, chunks: readonly Uint8Array[]): Promise<void> {
    let left = chunks.filter((chunk) => chunk.length > 0);
    let position = offset;
    while (left.length > 0) {
      const { bytesWritten } = await handle.writev(left, position);
      position += bytesWritten;
      let done = bytesWritten;
      left = left.flatMap((chunk) => {
        const skipped = Math.min(done, chunk.length);
        done -= skipped;
        return skipped === chunk.length ? [] : [chunk.subarray(skipped)];
      });
    }
  }

  async function readAll(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  return {
    async write(key, offset, chunks) {
      const folder = await folderOf(key.organizationId);
      const path = pathOf(key);
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
      const entry = opened.get(path) ?? { handle: open(path, flags, 0o600), users: 0 };
      await using(path, entry, async (handle) => {
        await writeAll(handle, offset, chunks);
        // The name of a new file has to be as durable as its bytes.
        await Promise.all([handle.datasync(), ...(offset === 0 ? [syncDirectory(folder)] : [])]);
      });
    },

    async read(key, offset, length) {
      const path = pathOf(key);
      const present = opened.get(path);
      if (present !== undefined) return using(path, present, (handle) => readAll(handle, offset, length));
      let handle: FileHandle;
      try {
        handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
        throw cause;
      }
      try {
        return await readAll(handle, offset, length);
      } finally {
        await handle.close();
      }
    },

    async remove(key) {
      const path = pathOf(key);
      const entry = opened.get(path);
      if (entry !== undefined) opened.delete(path);
      if (entry?.users === 0) closeFile(path, entry);
      await rm(path, { force: true });
    },

    release(key) {
      const path = pathOf(key);
      const entry = opened.get(path);
      if (entry === undefined) return;
      opened.delete(path);
      if (entry.users === 0) closeFile(path, entry);
    },

    async close() {
      for (const [path, entry] of opened) {
        opened.delete(path);
        if (entry.users === 0) closeFile(path, entry);
      }
      await Promise.all(closing);
    },
  };
}
