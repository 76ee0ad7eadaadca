import { type FileHandle, open } from 'node:fs/promises';
import type { RawAnswer } from './route.ts';

/** A file of `dist/` as an answer that streams it, or undefined when it is not there. */
export async function fileAnswer(
  path: string,
  headers: Record<string, string>,
): Promise<RawAnswer | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw cause;
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) {
      await handle.close();
      return undefined;
    }
    return {
      headers: { ...headers, 'content-length': String(stat.size) },
      body: handle.createReadStream({ autoClose: true, highWaterMark: 256 * 1024 }),
    };
  } catch (cause) {
    await handle.close();
    throw cause;
  }
}

/** Whether the client has this version already. */
export const isFresh = (ifNoneMatch: string | undefined, etag: string): boolean =>
  (ifNoneMatch ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
