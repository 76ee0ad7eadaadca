import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { randomHex } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { fileError } from './file-error.ts';
import { CREATE_NEW, type Existing, type WriteTarget } from './open-for-write.ts';
import { fdPath, reopen } from './walk.ts';

/** Permission bits of a file that nobody gave any. */
export const NEW_FILE_MODE = 0o644;
const CHUNK = 256 * 1024;

export interface Written {
  path: string;
  size: number;
  created: boolean;
  /** Permission bits. */
  mode: number;
}

/**
 * Replaces the target in one step: a reader, also one after a power cut, sees the old bytes or the new ones. Owner
 * and permission bits are kept (without set-uid and set-gid, as the kernel does for who writes a file). Access
 * control lists and extended attributes are not.
 * @throws AppError; nothing was changed then.
 */
export async function replaceFile(target: WriteTarget, data: Buffer, mode?: number): Promise<Written> {
  const { folder, path, existing } = target;
  const bits = mode ?? (existing ? existing.stats.mode & 0o1777 : NEW_FILE_MODE);
  const temporary = `.${target.name.slice(0, 100)}.${randomHex(12)}.tmp`;
  let handle: FileHandle | undefined;
  try {
    handle = await open(fdPath(folder, temporary), CREATE_NEW, 0o600);
    if (existing) await keepOwner(handle, existing, path);
    await handle.writeFile(data);
    await handle.chmod(bits);
    await handle.sync();
    await target.checkUnmoved('content');
    await rename(fdPath(folder, temporary), fdPath(folder, target.name));
  } catch (cause) {
    if (handle) await unlink(fdPath(folder, temporary)).catch(() => undefined);
    throw fileError(cause, path, 'write');
  } finally {
    await handle?.close();
  }
  await syncFolder(folder);
  return { path, size: data.length, created: existing === undefined, mode: bits };
}

export async function keepOwner(handle: FileHandle, existing: Existing, path: string): Promise<void> {
  const { uid, gid } = existing.stats;
  const fresh = await handle.stat();
  if (fresh.uid === uid && fresh.gid === gid) return;
  await handle.chown(uid, gid).catch((cause: unknown) => {
    throw new AppError('forbidden', {
      detail: `${path} belongs to user ${uid} and group ${gid}; the agent's user could replace it only under its own name.`,
      hint: 'Write it with a command that has the rights, or give the file to the agent’s user.',
      cause,
    });
  });
}

/** Adds to the end of the same file, so that programs that hold it open go on. A failed write is taken back. */
export async function appendFile(target: WriteTarget, data: Buffer, mode?: number): Promise<Written> {
  const { folder, path, existing } = target;
  if (existing === undefined) return replaceFile(target, data, mode);
  try {
    const handle = await reopen(existing.entry, constants.O_WRONLY | constants.O_APPEND);
    try {
      await target.checkUnmoved();
      const before = (await handle.stat()).size;
      let written = 0;
      try {
        while (written < data.length)
          written += (await handle.write(data, written, data.length - written)).bytesWritten;
        await handle.sync();
      } catch (cause) {
        // Only what this call added, and only when nobody added after it.
        if ((await handle.stat()).size === before + written)
          await handle.truncate(before).catch(() => undefined);
        throw cause;
      }
      if (mode !== undefined) await handle.chmod(mode);
      const { size, mode: bits } = await handle.stat();
      await syncFolder(folder);
      return { path, size, created: false, mode: bits & 0o7777 };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(cause, path, 'write');
  }
}

/** Makes the new name durable. A folder that cannot be read cannot be synced; the name is there all the same. */
export async function syncFolder(folder: FileHandle): Promise<void> {
  const readable = await reopen(folder, constants.O_RDONLY | constants.O_DIRECTORY).catch(() => undefined);
  try {
    await readable?.sync();
  } finally {
    await readable?.close();
  }
}

/** The bytes of an existing target. @throws AppError `payload_too_large`. */
export async function readExisting(existing: Existing, path: string, maxBytes: number): Promise<Buffer> {
  if (existing.stats.size > maxBytes) throw tooLarge(path, existing.stats.size, maxBytes);
  try {
    const handle = await reopen(existing.entry, constants.O_RDONLY);
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(cause, path, 'read');
  }
}

export const tooLarge = (path: string, bytes: number, maxBytes: number) =>
  new AppError('payload_too_large', {
    detail: `${path} has ${bytes} bytes; this VM allows ${maxBytes} (tools.file_manager.max_file_size).`,
  });

export const sha256Of = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** SHA-256 of an open file, in pieces. */
export async function sha256OfFile(handle: FileHandle, size: number, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(size, 1)));
  for (let at = 0; at < size; ) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex');
}

/** @throws AppError `conflict` when the file is not the one that the caller has seen. */
export function checkUnchanged(
  path: string,
  present: string | undefined,
  expected: string | undefined,
): void {
  if (expected === undefined || expected.toLowerCase() === present) return;
  throw new AppError('conflict', {
    detail:
      present === undefined
        ? `${path} does not exist, but expected_sha256 was given.`
        : `${path} has changed: its SHA-256 is ${present}, not the expected ${expected.toLowerCase()}. Nothing was written.`,
    hint: 'Read it again, then repeat the change on what it holds now.',
  });
}
