import { createParser } from 'eventsource-parser';
import { ApiError, connection, send } from './api.ts';

/** Silence longer than this is a dead connection: the orchestrator sends a comment every 15 s. */
const SILENCE_MS = 45_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;

export interface EventStreamOptions<E extends { type: string }> {
  path: string;
  onEvent: (event: E) => void;
  /** `retrying` until the first byte of the next connection. */
  onStatus: (status: 'live' | 'retrying') => void;
  /** The API refused for good; nothing is tried any more. */
  onRefused: (error: ApiError) => void;
  signal: AbortSignal;
}

/**
 * Follows a stream of events until its `end` event, an abort or a refusal. The browser's EventSource does the same but hides the
 * status of a refused request, so that an ended session would look like a lost connection.
 */
export async function followEvents<E extends { type: string }>(
  options: EventStreamOptions<E>,
): Promise<void> {
  let lastId = '';
  let failures = 0;
  while (!options.signal.aborted) {
    try {
      const ended = await readOnce(options, lastId, (id) => {
        lastId = id;
        failures = 0;
      });
      if (ended) return;
    } catch (error) {
      if (options.signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
        options.onRefused(error);
        return;
      }
    }
    if (options.signal.aborted) return;
    options.onStatus('retrying');
    const ceiling = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures++);
    await pause(ceiling / 2 + (Math.random() * ceiling) / 2, options.signal);
  }
}

/** True when the `end` event came. */
async function readOnce<E extends { type: string }>(
  options: EventStreamOptions<E>,
  lastId: string,
  onId: (id: string) => void,
): Promise<boolean> {
  const dead = new AbortController();
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (lastId !== '') headers['last-event-id'] = lastId;
  let watchdog = setTimeout(() => dead.abort(), SILENCE_MS);
  let ended = false;
  const parser = createParser({
    onEvent({ id, data }) {
      const event = JSON.parse(data) as E;
      options.onEvent(event);
      if (id !== undefined) onId(id);
      if (event.type === 'end') ended = true;
    },
  });
  try {
    const response = await send(options.path, {
      headers,
      signal: AbortSignal.any([options.signal, dead.signal]),
    });
    options.onStatus('live');
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    while (reader !== undefined && !ended) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => dead.abort(), SILENCE_MS);
      parser.feed(decoder.decode(value, { stream: true }));
    }
    if (ended) void reader?.cancel();
    return ended;
  } finally {
    clearTimeout(watchdog);
    // A cut connection is no failed request: the next poll says whether the orchestrator still answers.
    if (!ended && dead.signal.aborted) connection.set('lost');
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
