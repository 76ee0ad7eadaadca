import { z } from 'zod';
import { lockIdSchema } from '../../../protocol/ids.ts';
import { createLockRequestSchema, lockListSchema, lockSchema } from '../../../protocol/rest-locks.ts';
import { longListQuerySchema } from '../../../protocol/rest-pages.ts';
import type { Locks } from '../../locks/locks.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/organizations/{org}/locks';
const params = z.object({ id: lockIdSchema });

/** What is stopped at once, and why. */
export function lockRoutes(options: { locks: Locks }): Route[] {
  const { locks } = options;
  return [
    defineRoute({
      method: 'GET',
      path: PATH,
      summary: 'Locks that stand now',
      auth: 'user',
      needs: 'organization.read',
      query: longListQuerySchema,
      response: lockListSchema,
      handler: async ({ org, query }) => pageAnswer(await locks.list(org.id, pageOf(query))),
    }),
    defineRoute({
      method: 'POST',
      path: PATH,
      summary: 'Lock a user, an API token, a machine, a tool, a selection or the whole organization',
      auth: 'user',
      needs: 'locks.write',
      body: createLockRequestSchema,
      response: lockSchema,
      successStatus: 201,
      handler: ({ org, caller, request, body }) =>
        locks.add({ organizationId: org.id, actor: caller.actor, address: request.address, body }),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${PATH}/{id}`,
      summary: 'End a lock',
      auth: 'user',
      needs: 'locks.write',
      params,
      async handler({ org, caller, request, params: { id } }) {
        await locks.remove({ organizationId: org.id, id, actor: caller.actor, address: request.address });
        return undefined;
      },
    }),
  ];
}
