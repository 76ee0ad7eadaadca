import type { Progress } from '../model/upload-plan.ts';
import { uploadKey } from '../model/upload-plan.ts';
import { type AgentRef, abortUpload } from './agent-api.ts';
import { type ApiError, asApiError } from './api.ts';
import { createStore } from './store.ts';
import { uploadFile } from './upload.ts';

/** An upload that this tab works on, or that an earlier one left. It goes on whatever page is looked at. */
export interface UploadTask {
  key: string;
  agent: AgentRef;
  path: string;
  state: 'running' | 'waiting' | 'done' | 'failed' | 'interrupted';
  progress: Progress | undefined;
  error: ApiError | undefined;
  /** The file, while this tab has it. */
  file: File | undefined;
}

export const uploadTasks = createStore<readonly UploadTask[]>([]);
const stops = new Map<string, AbortController>();

function change(key: string, changes: Partial<UploadTask>): void {
  uploadTasks.set(uploadTasks.get().map((task) => (task.key === key ? { ...task, ...changes } : task)));
}

/** Uploads that an earlier tab began for this agent and did not finish. */
export function interruptedUploads(agent: AgentRef): UploadTask[] {
  const head = uploadKey(agent.org, agent.id, '');
  const running = new Set(uploadTasks.get().map(({ key }) => key));
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(head) && !running.has(key))
    .map((key) => ({
      key,
      agent,
      path: key.slice(head.length),
      state: 'interrupted' as const,
      progress: undefined,
      error: undefined,
      file: undefined,
    }));
}

export function startUpload(
  request: { agent: AgentRef; path: string; file: File; overwrite: boolean },
  onDone: () => void,
): void {
  const { agent, path, file, overwrite } = request;
  const key = uploadKey(agent.org, agent.id, path);
  stops.get(key)?.abort();
  const stop = new AbortController();
  stops.set(key, stop);
  const task: UploadTask = {
    key,
    agent,
    path,
    state: 'running',
    progress: undefined,
    error: undefined,
    file,
  };
  uploadTasks.set([...uploadTasks.get().filter((other) => other.key !== key), task]);
  uploadFile({
    agent,
    path,
    file,
    overwrite,
    signal: stop.signal,
    onProgress: (progress) => change(key, { state: 'running', progress, error: undefined }),
    onWaiting: (error) => change(key, { state: 'waiting', error }),
  })
    .then(
      () => {
        change(key, { state: 'done', error: undefined, file: undefined });
        onDone();
      },
      (error: unknown) => {
        if (!stop.signal.aborted) change(key, { state: 'failed', error: asApiError(error) });
      },
    )
    .finally(() => {
      if (stops.get(key) === stop) stops.delete(key);
    });
}

/** Ends an upload and throws away what came of it. */
export async function discardUpload({ key, agent, path }: UploadTask): Promise<void> {
  stops.get(key)?.abort();
  const kept = localStorage.getItem(key);
  localStorage.removeItem(key);
  uploadTasks.set(uploadTasks.get().filter((task) => task.key !== key));
  if (kept === null) return;
  const { uploadId } = JSON.parse(kept) as { uploadId: string };
  await abortUpload(agent, uploadId, path).catch(() => {
    // The machine may be away; it removes such leftovers itself after a week.
  });
}

export const dismissUpload = ({ key }: UploadTask): void =>
  uploadTasks.set(uploadTasks.get().filter((task) => task.key !== key));
