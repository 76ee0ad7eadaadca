import type { Upload } from '../../../protocol/rest-calls.ts';
import {
  createSpeed,
  type KeptUpload,
  keptUpload,
  PART_BYTES,
  type Progress,
  uploadKey,
} from '../model/upload-plan.ts';
import { type AgentRef, agentPath } from './agent-api.ts';
import { ApiError, sendJson } from './api.ts';
import { loadSha256 } from './lazy.ts';

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 15_000;

export interface UploadOptions {
  agent: AgentRef;
  /** Where on the VM. */
  path: string;
  file: File;
  overwrite: boolean;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
  /** A connection was lost; it goes on by itself. */
  onWaiting(error: ApiError): void;
}

/** What passes by itself: a lost connection, an agent or orchestrator that comes back. */
const passes = (error: unknown): error is ApiError =>
  error instanceof ApiError && (error.status === 0 || error.status >= 500 || error.status === 429);

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

/** Repeats what failed for a reason that passes, ever more slowly, until it works or the signal comes. */
async function insisting<T>(options: UploadOptions, work: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (options.signal.aborted || !passes(error)) throw error;
      options.onWaiting(error);
      await pause(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures), options.signal);
    }
  }
}

/**
 * Sends a file to a VM. An upload that was begun, by this tab or one that was closed, goes on where it was; the VM
 * puts the file in its place when all of it is there and its SHA-256 is that of the file here.
 */
export async function uploadFile(options: UploadOptions): Promise<Upload> {
  const { agent, path, file, overwrite, signal } = options;
  const key = uploadKey(agent.org, agent.id, path);
  const { createSha256 } = await loadSha256();
  const begin = (uploadId: string | undefined) =>
    insisting(options, () =>
      sendJson<Upload>(agentPath(agent, '/files/uploads'), {
        method: 'POST',
        body: {
          path,
          size: file.size,
          overwrite,
          ...(uploadId === undefined ? {} : { upload_id: uploadId }),
        },
        signal,
      }),
    );
  const { upload_id: uploadId, received } = await begin(
    keptUpload(localStorage.getItem(key), file)?.uploadId,
  );
  const kept: KeptUpload = { uploadId, name: file.name, size: file.size, modified: file.lastModified };
  localStorage.setItem(key, JSON.stringify(kept));

  const hash = createSha256();
  const speed = createSpeed();
  let sent = Math.min(received, file.size);
  let hashed = 0;
  const report = () => options.onProgress({ sent, size: file.size, speed: speed(sent, performance.now()) });
  report();
  while (hashed < file.size || sent < file.size) {
    signal.throwIfAborted();
    const part = file.slice(hashed, Math.min(file.size, hashed + PART_BYTES));
    hash.update(new Uint8Array(await part.arrayBuffer()));
    const end = hashed + part.size;
    hashed = end;
    // What an earlier tab has sent is only read again, for the hash.
    while (sent < end) {
      const from = sent;
      sent = await insisting(options, () => addPart(options, uploadId, from, end)).catch(
        async (error: unknown) => {
          // The agent has less or more than we think: it says how much.
          if (!(error instanceof ApiError) || error.code !== 'conflict') throw error;
          const now = (await begin(uploadId)).received;
          if (now < end - part.size) throw error;
          return now;
        },
      );
      report();
    }
  }
  const done = await insisting(options, () =>
    sendJson<Upload>(agentPath(agent, `/files/uploads/${uploadId}/finish`), {
      method: 'POST',
      body: { path, size: file.size, sha256: hash.hex(), overwrite },
      signal,
    }),
  );
  localStorage.removeItem(key);
  return done;
}

async function addPart(
  { agent, path, file, signal }: UploadOptions,
  uploadId: string,
  from: number,
  to: number,
): Promise<number> {
  const query = `path=${encodeURIComponent(path)}&offset=${from}`;
  const { received } = await sendJson<Upload>(agentPath(agent, `/files/uploads/${uploadId}?${query}`), {
    method: 'PUT',
    bytes: file.slice(from, to),
    signal,
  });
  return received;
}
