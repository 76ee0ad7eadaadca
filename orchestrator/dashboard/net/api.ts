import type { Problem } from '../../../protocol/problem.ts';
import { createStore } from './store.ts';

/** What the API, or the way to it, said no with. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** 0: no answer came. */
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly fields: readonly { path: string; message: string }[];

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? problem.title ?? `The orchestrator answered with status ${status}.`);
    this.status = status;
    this.code = problem.code ?? '';
    this.hint = problem.hint ?? '';
    this.fields = problem.errors ?? [];
  }
}

/** Whether the last request reached the orchestrator. */
export const connection = createStore<'ok' | 'lost'>('ok');
/** Grows whenever an answer says that the session is over. */
export const sessionEnds = createStore(0);

/** Orchestrator's time minus this machine's (ms): "12 s ago" must not depend on the reader's clock. */
let clockOffset = 0;
export const serverNow = (): number => Date.now() + clockOffset;

function learnClock(response: Response): void {
  const date = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(date)) return;
  // The header has whole seconds: smaller differences are its rounding.
  const offset = date + 500 - Date.now();
  clockOffset = Math.abs(offset) > 2000 ? offset : 0;
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  /** Bytes of a file, instead of a body. */
  bytes?: Blob;
  /** The same key for the same submission, however often it is sent. */
  idempotencyKey?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A response with a good status. @throws ApiError; an aborted request rejects with the signal's reason. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  if (options.bytes !== undefined) headers['content-type'] = 'application/octet-stream';
  if (options.idempotencyKey !== undefined) headers['idempotency-key'] = options.idempotencyKey;
  let response: Response;
  try {
    response = await fetch(path, {
      method: options.method ?? 'GET',
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.bytes === undefined ? {} : { body: options.bytes }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    connection.set('lost');
    throw new ApiError(0, {
      detail: 'The orchestrator did not answer.',
      hint: 'Check the network and that the orchestrator runs, then try again.',
    });
  }
  // What the orchestrator itself says with such a status is about an agent, not about the way to it.
  const own = response.headers.get('content-type')?.includes('problem+json') === true;
  const gateway = !own && response.status >= 502 && response.status <= 504;
  connection.set(gateway ? 'lost' : 'ok');
  learnClock(response);
  if (response.ok) return response;
  const error = new ApiError(response.status, await readProblem(response));
  if (response.status === 401 && error.code !== 'login_failed') sessionEnds.set(sessionEnds.get() + 1);
  throw error;
}

export async function sendJson<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** All items of a list, however many pages it has. */
export async function fetchAll<T>(path: string, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const query = `${path.includes('?') ? '&' : '?'}limit=500`;
    const next = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: T[]; next_cursor?: string | null } = await sendJson(
      `${path}${query}${next}`,
      signal === undefined ? {} : { signal },
    );
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

async function readProblem(response: Response): Promise<Partial<Problem>> {
  try {
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null ? body : {};
  } catch {
    // A proxy's own page, say: its status is all there is to tell.
    return {};
  }
}

export const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, { detail: String(error) });
