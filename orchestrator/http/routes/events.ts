import { z } from 'zod';
import type { Clock } from '../../../base/clock.ts';
import { AppError } from '../../../protocol/errors.ts';
import { jobIdSchema } from '../../../protocol/ids.ts';
import type { Followed, JobEvents } from '../../jobs/events.ts';
import type { LiveAccess } from '../live-access.ts';
import { defineRoute, type Route } from '../route.ts';
import { eventStream, sseEvent } from '../sse.ts';

const params = z.object({ id: jobIdSchema });
const query = z.object({ after: z.coerce.number().int().nonnegative().optional() });

/** Where a client goes on. @throws AppError `bad_request` */
export function startOf(header: string | string[] | undefined, after: number | undefined): number {
  if (header === undefined || header === '') return after ?? 0;
  const id = Number(header);
  // As it was written: not every text that JavaScript takes for a number was given by a stream.
  if (Number.isSafeInteger(id) && id >= 0 && String(id) === header) return id;
  throw new AppError('bad_request', { detail: 'Last-Event-ID is no number that this stream gave.' });
}

async function* written(followed: AsyncIterable<Followed>): AsyncGenerator<string, void, void> {
  for await (const step of followed) yield step === 'quiet' ? step : sseEvent(step.event, step.id);
}

export function eventRoutes(options: {
  events: JobEvents;
  clock: Clock;
  access: Pick<LiveAccess, 'watch'>;
  /** Ends every stream: the orchestrator stops. */
  stopping: AbortSignal;
}): Route[] {
  const { events, clock, access, stopping } = options;

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
      async handler({ caller, org, params: { id }, query: { after }, request, closed }) {
        const followed = await events.follow({
          organizationId: org.id,
          jobId: id,
          after: startOf(request.headers['last-event-id'], after),
          // Who may no more comes back, and is told then that he may not.
          signal: access.watch({
            caller,
            organizationId: org.id,
            needs: 'jobs.read',
            signal: AbortSignal.any([closed, stopping]),
          }),
        });
        return eventStream(written(followed), { what: 'events of a job', clock });
      },
    }),
  ];
}
