import { Readable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { RawAnswer } from './route.ts';

/** A comment at least this often: proxies close what is silent. */
export const COMMENT_MS = 15_000;
/** Bytes that wait for a reader; a slow one is given no more until it has taken them. */
const BUFFER_BYTES = 512 * 1024;

/** One event as it goes over the wire; without an id it cannot be gone back to. */
export const sseEvent = (event: { type: string }, id?: number): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

async function* withComments(
  steps: AsyncIterable<string | 'quiet'>,
  what: string,
  clock: Clock,
): AsyncGenerator<string, void, void> {
  let checked = clock.monotonic();
  // The first bytes tell the client that it is connected.
  yield `: ${what}\n\n`;
  for await (const step of steps) {
    if (step !== 'quiet') yield step;
    if (clock.monotonic() - checked < COMMENT_MS) continue;
    checked = clock.monotonic();
    yield ': still here\n\n';
  }
}

/** Server-Sent Events: `steps` are whole events, or `quiet` when nothing happened for a while. */
export const eventStream = (
  steps: AsyncIterable<string | 'quiet'>,
  options: { what: string; clock: Clock },
): RawAnswer => ({
  headers: {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  },
  body: Readable.from(withComments(steps, options.what, options.clock), {
    objectMode: false,
    highWaterMark: BUFFER_BYTES,
  }),
});
