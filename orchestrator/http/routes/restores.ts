import { z } from 'zod';
import { restoreIdSchema } from '../../../protocol/ids.ts';
import { restoreListSchema, restoreSchema } from '../../../protocol/rest-restores.ts';
import type { Restores } from '../../fleet/restores.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/organizations/{org}/restores';

/** That the orchestrator was put back to a backup, and what still waits for somebody since then. */
export function restoreRoutes({ restores }: { restores: Restores }): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: PATH,
      summary: 'When the orchestrator was restored from a backup, and what waits since then',
      auth: 'user',
      needs: 'organization.read',
      response: restoreListSchema,
      handler: async ({ org }) => ({ items: await restores.list(org.id) }),
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/{id}/acknowledge`,
      summary: 'Say that a restore was dealt with: the first page tells of it no more',
      auth: 'user',
      needs: 'agents.write',
      params: z.object({ id: restoreIdSchema }),
      response: restoreSchema,
      handler: ({ org, caller, request, params: { id } }) =>
        restores.acknowledge({
          organizationId: org.id,
          id,
          actor: caller.actor,
          address: request.address,
        }),
    }),
  ];
}
