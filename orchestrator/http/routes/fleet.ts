import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../../base/clock.ts';
import { machineListSchema, overviewSchema } from '../../../protocol/rest-overview.ts';
import type { FleetFeed } from '../../fleet/feed.ts';
import { readMachines } from '../../fleet/machines.ts';
import type { OverviewReader } from '../../fleet/overview.ts';
import type { Store } from '../../store/store.ts';
import type { LiveAccess } from '../live-access.ts';
import { defineRoute, type Route } from '../route.ts';
import { COMMENT_MS, eventStream, sseEvent } from '../sse.ts';

const ORG = '/api/v1/organizations/{org}';

/** What the pages show of the whole fleet: every machine in short, what changes, and the first page. */
export function fleetRoutes(options: {
  store: Pick<Store, 'db'>;
  feed: FleetFeed;
  overview: OverviewReader;
  clock: Clock;
  access: Pick<LiveAccess, 'watch'>;
  /** Ends every stream: the orchestrator stops. */
  stopping: AbortSignal;
}): Route[] {
  const { store, feed, overview, clock, access, stopping } = options;

  async function* list(organizationId: string): AsyncGenerator<string, void, void> {
    let first = true;
    yield '{"items":[';
    for await (const batch of readMachines(store.db, organizationId, clock.now())) {
      yield `${first ? '' : ','}${JSON.stringify(machineListSchema.shape.items.parse(batch)).slice(1, -1)}`;
      first = false;
    }
    yield ']}';
  }

  async function* events(organizationId: string, signal: AbortSignal): AsyncGenerator<string, void, void> {
    for await (const event of feed.follow({ organizationId, quietMs: COMMENT_MS, signal }))
      yield event === 'quiet' ? event : sseEvent(event);
  }

  return [
    defineRoute({
      method: 'GET',
      path: `${ORG}/overview`,
      summary: 'What is offline, what failed lately, what expires soon, what waits for somebody',
      auth: 'user',
      needs: 'agents.read',
      response: overviewSchema,
      handler: ({ org }) => overview.read(org.id, (permission) => org.permissions.has(permission)),
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/fleet`,
      summary: 'Every machine in short, in one answer (gzip where the client takes it)',
      auth: 'user',
      needs: 'agents.read',
      raw: { contentType: 'application/json', description: 'Machines', schema: machineListSchema },
      handler({ org, request }) {
        const body = Readable.from(list(org.id), { objectMode: false });
        const type = { 'content-type': 'application/json; charset=utf-8' };
        // Nothing of it is a secret that another part of it could be used to guess.
        if (!/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? '')))
          return { headers: type, body };
        const packed = createGzip({ level: 3 });
        body.on('error', (error) => packed.destroy(error));
        packed.on('close', () => body.destroy());
        return { headers: { ...type, 'content-encoding': 'gzip' }, body: body.pipe(packed) };
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/fleet/events`,
      summary: 'Follow the fleet as Server-Sent Events: what changes, about once a second',
      auth: 'user',
      needs: 'agents.read',
      raw: { contentType: 'text/event-stream', description: 'Events: agents, load, gone, changed, reload' },
      handler({ caller, org, closed }) {
        const signal = access.watch({
          caller,
          organizationId: org.id,
          needs: 'agents.read',
          signal: AbortSignal.any([closed, stopping]),
        });
        return eventStream(events(org.id, signal), { what: 'events of a fleet', clock });
      },
    }),
  ];
}
