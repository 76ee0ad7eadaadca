import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
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
  /** Writes at an offset and returns when the bytes are on the disk. */
  write(key: OutputKey, offset: number, chunks: readonly Uint8Array[]): Promise<void>;
  /** At most `length` bytes from `offset`; fewer at the end of the file. A stream that never came is empty. */
  read(key: OutputKey, offset: number, length: number): Promise<Buffer>;
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

  return {
    async write(key, offset, chunks) {
      const folder = await folderOf(key.organizationId);
      const handle = await open(
        join(folder, nameOf(key)),
        constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW,
        0o600,
      );
      try {
        await writeAll(handle, offset, chunks);
        await handle.datasync();
        // The name of a new file has to be as durable as its bytes.
        if (offset === 0) await syncDirectory(folder);
      } finally {
        await handle.close();
      }
    },

    async read(key, offset, length) {
      let handle: FileHandle;
      try {
        handle = await open(
          join(directory, key.organizationId, nameOf(key)),
          constants.O_RDONLY | constants.O_NOFOLLOW,
        );
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
        throw cause;
      }
      try {
        const buffer = Buffer.allocUnsafe(length);
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return buffer.subarray(0, filled);
      } finally {
        await handle.close();
      }
    },
  };
}
