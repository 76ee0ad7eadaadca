import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError } from '../../protocol/errors.ts';
import { type Upload, uploadSchema } from '../../protocol/rest-calls.ts';
import type { RestClient } from './client.ts';
import type { CliDeps } from './deps.ts';
import { progressLine } from './transfer-progress.ts';

export interface RemoteFile {
  agent: string;
  path: string;
}

/** Bytes in one request of an upload. */
const PART_BYTES = 8 * 1024 * 1024;
const RETRIES = 8;
const FIRST_RETRY_MS = 500;

const filesPath = ({ agent }: RemoteFile, path: string) =>
  `/agents/${encodeURIComponent(agent)}/files/${path}`;
const passes = (cause: unknown): cause is AppError =>
  cause instanceof AppError && (cause.code === 'server_unreachable' || cause.retryable);

/** Repeats what failed for a reason that passes: about a minute in all. */
async function insisting<T>(deps: CliDeps, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await work();
    } catch (cause) {
      if (signal.aborted || !passes(cause) || failures === RETRIES) throw cause;
      await deps.clock.sleep(FIRST_RETRY_MS * 1.7 ** failures, signal);
    }
  }
}

const localError = (path: string, cause: NodeJS.ErrnoException): AppError =>
  new AppError('bad_request', { detail: `${path}: ${cause.message}`, cause });

/** What is known of a remote file without its bytes. */
async function headOf(client: RestClient, file: RemoteFile): Promise<{ etag: string; size: number }> {
  const response = await client.open({
    path: filesPath(file, 'content'),
    query: { path: file.path },
    headers: { range: 'bytes=0-0' },
    statuses: [200, 206, 416],
  });
  response.resume();
  const size =
    /\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1] ?? response.headers['content-length'];
  return { etag: response.headers.etag ?? '', size: Number(size ?? 0) };
}

/**
 * Downloads into `<local>.<version>.part` and gives it its name at the end. A download that was cut off goes on where
 * it was, also in a later run, as long as the file there is the same.
 */
export async function download(
  deps: CliDeps,
  client: RestClient,
  file: RemoteFile,
  local: string,
  signal: AbortSignal,
): Promise<{ size: number; resumedAt: number }> {
  const { etag, size } = await headOf(client, file);
  const part = `${local}.${etag.replace(/[^\w-]/g, '')}.part`;
  const handle = await open(part, 'a').catch((cause: NodeJS.ErrnoException) => {
    throw localError(part, cause);
  });
  try {
    let at = (await handle.stat()).size;
    const resumedAt = at;
    const progress = progressLine(deps, at);
    while (at < size) {
      at = await insisting(deps, signal, async () => {
        const response = await client.open({
          path: filesPath(file, 'content'),
          query: { path: file.path },
          headers: { range: `bytes=${at}-`, 'if-range': etag },
          statuses: [200, 206],
          signal,
        });
        if (response.statusCode === 200 && at > 0) {
          response.destroy();
          throw new AppError('conflict', {
            detail: `${file.path} has changed since the download began.`,
            hint: `Remove ${part} and download it again.`,
          });
        }
        let written = at;
        try {
          for await (const chunk of response) {
            await handle.write(chunk as Buffer);
            written += (chunk as Buffer).length;
            progress.show(written, size);
          }
        } catch (cause) {
          if (signal.aborted || written === at)
            throw new AppError('server_unreachable', { detail: 'The download was cut off.', cause });
          // What came is kept; the next request begins behind it.
        }
        return written;
      });
    }
    progress.end();
    await handle.sync();
    await rename(part, local);
    return { size, resumedAt };
  } finally {
    await handle.close();
  }
}

/** The same file of this machine for the same place there: an upload that was cut off is found again by it. */
const uploadIdOf = (file: RemoteFile, local: string, size: number, mtimeMs: number): string =>
  createHash('sha256')
    .update(JSON.stringify([file, resolve(local), size, mtimeMs]))
    .digest('hex')
    .slice(0, 32);

async function readPart(handle: FileHandle, at: number, length: number, local: string): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(buffer, 0, length, at);
  if (bytesRead === length) return buffer;
  throw new AppError('conflict', { detail: `${local} became shorter while it was read.` });
}

/** Uploads a file; one that was cut off goes on where it was, also in a later run. */
export async function upload(
  deps: CliDeps,
  client: RestClient,
  local: string,
  file: RemoteFile,
  options: { overwrite: boolean; mode: string | undefined; signal: AbortSignal },
): Promise<Upload & { size: number; resumedAt: number }> {
  const { overwrite, mode, signal } = options;
  const handle = await open(local, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw localError(local, cause);
  });
  try {
    const { size, mtimeMs } = await stat(local);
    const uploadId = uploadIdOf(file, local, size, mtimeMs);
    const uploads = filesPath(file, 'uploads');
    const begin = () =>
      insisting(deps, signal, () =>
        client.call({
          method: 'POST',
          path: uploads,
          body: { path: file.path, size, upload_id: uploadId, overwrite },
          answer: uploadSchema,
          signal,
        }),
      );
    const { received: resumedAt } = await begin();
    const hash = createHash('sha256');
    const progress = progressLine(deps, resumedAt);
    let sent = Math.min(resumedAt, size);
    for (let read = 0; read < size; ) {
      const bytes = await readPart(handle, read, Math.min(PART_BYTES, size - read), local);
      hash.update(bytes);
      const start = read;
      read += bytes.length;
      while (sent < read) {
        sent = await insisting(deps, signal, async () => {
          const answer = await client
            .call({
              method: 'PUT',
              path: `${uploads}/${uploadId}`,
              query: { path: file.path, offset: sent },
              bytes: bytes.subarray(sent - start),
              answer: uploadSchema,
              signal,
            })
            .catch(async (cause: unknown) => {
              if (!passes(cause)) throw cause;
              // Some of it may have come; the agent says how much.
              const now = await begin();
              if (now.received <= sent) throw cause;
              return now;
            });
          return answer.received;
        });
        progress.show(sent, size);
      }
    }
    const done = await insisting(deps, signal, () =>
      client.call({
        method: 'POST',
        path: `${uploads}/${uploadId}/finish`,
        body: {
          path: file.path,
          size,
          sha256: hash.copy().digest('hex'),
          overwrite,
          ...(mode === undefined ? {} : { mode }),
        },
        answer: uploadSchema,
        signal,
      }),
    );
    progress.end();
    return { ...done, size, resumedAt };
  } finally {
    await handle.close();
  }
}
