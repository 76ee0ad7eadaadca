import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Clock } from '../../../base/clock.ts';
import { AppError } from '../../../protocol/errors.ts';
import { jobIdSchema } from '../../../protocol/ids.ts';
import type { Followed, JobEvents, NumberedEvent } from '../../jobs/events.ts';
import type { Locks } from '../../locks/locks.ts';
import { defineRoute, type Route } from '../route.ts';

/** A comment at least this often: proxies close what is silent, and the credentials are looked at again. */
const COMMENT_MS = 15_000;
/** Bytes that wait for a reader; a slow one is given no more until it has taken them. */
const BUFFER_BYTES = 512 * 1024;

const params = z.object({ id: jobIdSchema });
const query = z.object({ after: z.coerce.number().int().nonnegative().optional() });

/** Whether these credentials still open this organization. */
export type StillAllowed = (request: IncomingMessage, organizationId: string) => Promise<boolean>;

function startOf(header: string | string[] | undefined, after: number | undefined): number {
  if (header === undefined || header === '') return after ?? 0;
  const id = Number(header);
  if (Number.isSafeInteger(id) && id >= 0) return id;
  throw new AppError('bad_request', { detail: 'Last-Event-ID is no number that this stream gave.' });
}

const format = ({ id, event }: NumberedEvent): string =>
  `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

export function eventRoutes(options: {
  events: JobEvents;
  clock: Clock;
  stillAllowed: StillAllowed;
  /** A lock on who reads ends the stream at once. */
  locks: Pick<Locks, 'watch'>;
  /** Ends every stream: the orchestrator stops. */
  stopping: AbortSignal;
}): Route[] {
  const { events, clock, stillAllowed, locks, stopping } = options;

  async function* text(
    followed: AsyncIterable<Followed>,
    allowed: () => Promise<boolean>,
  ): AsyncGenerator<string, void, void> {
    let checked = clock.monotonic();
    // The first bytes tell the client that it is connected.
    yield ': events of a job\n\n';
    for await (const step of followed) {
      if (step !== 'quiet') yield format(step);
      if (clock.monotonic() - checked < COMMENT_MS) continue;
      checked = clock.monotonic();
      // The client reconnects, and is told then that it may not.
      if (!(await allowed())) return;
      yield ': still here\n\n';
    }
  }

  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/organizations/{org}/jobs/{id}/events',
      summary: 'Follow a job as Server-Sent Events; goes on after Last-Event-ID or ?after=',
      auth: 'user',
      needs: 'jobs.read',
      params,
      query,
      raw: { contentType: 'text/event-stream', description: 'Events: state, output, end' },
      async handler({ org, caller, params: { id }, query: { after }, request, closed }) {
        const gone = AbortSignal.any([closed, stopping]);
        const locked = locks.watch(org.id, { actor: caller.actor }, gone);
        const followed = await events.follow({
          organizationId: org.id,
          jobId: id,
          after: startOf(request.headers['last-event-id'], after),
          signal: AbortSignal.any([gone, locked]),
        });
        const lines = text(followed, () => stillAllowed(request.raw, org.id));
        return {
          headers: {
            'content-type': 'text/event-stream; charset=utf-8',
            'cache-control': 'no-store',
            'x-accel-buffering': 'no',
          },
          body: Readable.from(lines, { objectMode: false, highWaterMark: BUFFER_BYTES }),
        };
      },
    }),
  ];
}
