import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rename, statfs, unlink } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { fileError } from './file-error.ts';
import type { WriteTarget } from './open-for-write.ts';
import { keepOwner, NEW_FILE_MODE, sha256OfFile, syncFolder } from './replace-file.ts';
import { fdPath, identityOf } from './walk.ts';

/** Uploads that nobody came back to are taken away when the next one to the same name begins. */
const STALE_MS = 7 * 86_400_000;
const OPEN_PART = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The unfinished file lies beside its target, so that the last step is a rename within one file system. */
const partName = (target: WriteTarget, uploadId: string): string =>
  `.${target.name.slice(0, 100)}.${uploadId}.part`;

async function openPart(target: WriteTarget, uploadId: string, create: boolean): Promise<FileHandle> {
  const path = fdPath(target.folder, partName(target, uploadId));
  const handle = await open(path, OPEN_PART | (create ? constants.O_CREAT : 0), 0o600).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT')
        throw new AppError('not_found', {
          detail: `There is no such upload for ${target.path}.`,
          hint: 'Begin it again.',
        });
      throw cause;
    },
  );
  const stats = await handle.stat();
  if (stats.isFile() && stats.nlink === 1 && stats.uid === process.geteuid?.()) return handle;
  await handle.close();
  throw new AppError('conflict', { detail: `Somebody else has put a file in the place of this upload.` });
}

/** Makes room for an upload, or finds what is there of it. Resolves with how much that is. */
export async function beginUpload(
  target: WriteTarget,
  upload: { id: string; size: number },
  nowMs: number,
): Promise<number> {
  const { id: uploadId, size } = upload;
  try {
    await removeStale(target, nowMs);
    const handle = await openPart(target, uploadId, true);
    try {
      const { size: received } = await handle.stat();
      const { bavail, bsize } = await statfs(fdPath(target.folder));
      if (bavail * bsize < size - received) {
        if (received === 0) await unlink(fdPath(target.folder, partName(target, uploadId)));
        throw new AppError('disk_full', {
          detail: `${target.path} needs ${size - received} bytes, and its disk has ${bavail * bsize} left.`,
        });
      }
      return received;
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(cause, target.path, 'write');
  }
}

async function removeStale(target: WriteTarget, nowMs: number): Promise<void> {
  const names = await readdir(fdPath(target.folder)).catch(() => []);
  const [head, tail] = [`.${target.name.slice(0, 100)}.`, '.part'];
  for (const name of names) {
    if (!name.startsWith(head) || !name.endsWith(tail)) continue;
    if (!/^[0-9a-f]{16,64}$/.test(name.slice(head.length, -tail.length))) continue;
    const handle = await open(fdPath(target.folder, name), OPEN_PART).catch(() => undefined);
    if (handle === undefined) continue;
    const { mtimeMs } = await handle.stat();
    await handle.close();
    if (nowMs - mtimeMs > STALE_MS) await unlink(fdPath(target.folder, name)).catch(() => undefined);
  }
}

/** How long a piece waits for one that it has overtaken. */
const OVERTAKEN_MS = 10_000;
const LOOK_MS = 5;

async function untilReached(
  handle: FileHandle,
  offset: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<number> {
  const until = clock.monotonic() + OVERTAKEN_MS;
  for (;;) {
    const { size } = await handle.stat();
    if (size >= offset || clock.monotonic() > until) return size;
    await clock.sleep(LOOK_MS, signal);
  }
}

/**
 * Adds a piece. Several may be under way at once: one that has overtaken others waits for them. What was sent already
 * may come again; a hole is refused. Resolves with how much is there.
 */
export async function addPiece(
  target: WriteTarget,
  piece: { uploadId: string; offset: number; data: Buffer },
  context: { clock: Clock; signal: AbortSignal },
): Promise<number> {
  const { uploadId, offset, data } = piece;
  try {
    const handle = await openPart(target, uploadId, false);
    try {
      const size = await untilReached(handle, offset, context);
      if (offset > size)
        throw new AppError('conflict', {
          detail: `The upload has ${size} bytes; a piece at ${offset} would leave a hole.`,
          hint: `Go on at ${size}.`,
        });
      let written = 0;
      while (written < data.length)
        written += (await handle.write(data, written, data.length - written, offset + written)).bytesWritten;
      return Math.max(size, offset + written);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (context.signal.aborted) throw context.signal.reason;
    throw fileError(cause, target.path, 'write');
  }
}

/** Checks what came and puts it in its place in one step, with the owner and mode of what was there. */
export async function finishUpload(
  target: WriteTarget,
  upload: { id: string; size: number; sha256: string; mode: number | undefined },
  signal: AbortSignal,
): Promise<{ mode: number }> {
  const { folder, path, existing } = target;
  const part = fdPath(folder, partName(target, upload.id));
  try {
    const handle = await openPart(target, upload.id, false);
    try {
      const stats = await handle.stat({ bigint: true });
      const size = Number(stats.size);
      if (size !== upload.size)
        throw new AppError('conflict', {
          detail: `The upload has ${size} bytes, not ${upload.size}.`,
          hint: size < upload.size ? `Go on at ${size}.` : 'Begin it again under a new upload_id.',
        });
      if ((await sha256OfFile(handle, size, signal)) !== upload.sha256.toLowerCase()) {
        await unlink(part);
        throw new AppError('conflict', {
          detail: `What came for ${path} has another SHA-256 than what was sent; it was thrown away.`,
          hint: 'Upload it again.',
        });
      }
      const mode = upload.mode ?? (existing ? existing.stats.mode & 0o1777 : NEW_FILE_MODE);
      if (existing) await keepOwner(handle, existing, path);
      await handle.chmod(mode);
      await handle.sync();
      signal.throwIfAborted();
      await target.checkUnmoved('content');
      const named = await openPart(target, upload.id, false);
      const same = identityOf(await named.stat({ bigint: true })) === identityOf(stats);
      await named.close();
      if (!same) throw new AppError('conflict', { detail: `The upload for ${path} was exchanged.` });
      await rename(part, fdPath(folder, target.name));
      await syncFolder(folder);
      return { mode };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw fileError(cause, path, 'write');
  }
}

export async function abortUpload(target: WriteTarget, uploadId: string): Promise<void> {
  await unlink(fdPath(target.folder, partName(target, uploadId))).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw fileError(cause, target.path, 'write');
  });
}
