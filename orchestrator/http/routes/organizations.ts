import { AppError } from '../../../protocol/errors.ts';
import {
  createOrganizationRequestSchema,
  deleteOrganizationQuerySchema,
  organizationListSchema,
  organizationSchema,
} from '../../../protocol/rest-fleet.ts';
import { longListQuerySchema } from '../../../protocol/rest-pages.ts';
import type { Agents } from '../../tenancy/agents.ts';
import type { Organizations } from '../../tenancy/organizations.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/organizations';

export function organizationRoutes(options: {
  organizations: Organizations;
  agents: Agents;
  /** What is open with rights that are gone is looked at again. */
  accessChanged: () => void;
}): Route[] {
  const { organizations, agents, accessChanged } = options;

  return [
    defineRoute({
      method: 'GET',
      path: PATH,
      summary: 'The organizations that the caller sees',
      auth: 'user',
      needs: 'self',
      query: longListQuerySchema,
      response: organizationListSchema,
      handler: async ({ caller, query }) =>
        pageAnswer(
          await organizations.page(
            caller.systemAdmin ? 'all' : caller.organizations.map(({ id }) => id),
            pageOf(query),
          ),
        ),
    }),
    defineRoute({
      method: 'POST',
      path: PATH,
      summary: 'Create an organization, with its own certificate authority and command key',
      auth: 'user',
      needs: 'system',
      body: createOrganizationRequestSchema,
      response: organizationSchema,
      successStatus: 201,
      handler({ caller, body, request }) {
        return organizations.create({ name: body.name, actor: caller.actor, address: request.address });
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${PATH}/{org}`,
      summary: 'One organization',
      auth: 'user',
      needs: 'organization.read',
      response: organizationSchema,
      async handler({ org }) {
        const found = await organizations.find(org.id);
        if (found === undefined) throw new AppError('not_found');
        return found;
      },
    }),
    defineRoute({
      method: 'PATCH',
      path: `${PATH}/{org}`,
      summary: 'Rename an organization',
      auth: 'user',
      needs: 'organization.write',
      body: createOrganizationRequestSchema,
      response: organizationSchema,
      handler: ({ caller, org, body, request }) =>
        organizations.rename({
          id: org.id,
          name: body.name,
          actor: caller.actor,
          address: request.address,
        }),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${PATH}/{org}`,
      summary: 'Delete an organization that has no agents',
      auth: 'user',
      needs: 'system',
      query: deleteOrganizationQuerySchema,
      async handler({ caller, org, query, request }) {
        const { actor } = caller;
        const { address } = request;
        if (query.revoke_agents === 'true')
          await agents.revokeAll({ organizationId: org.id, selector: 'all', actor, address });
        await organizations.remove({ id: org.id, actor, address });
        accessChanged();
        return undefined;
      },
    }),
  ];
}
