import { AppError } from '../../../protocol/errors.ts';
import {
  createOrganizationRequestSchema,
  organizationListSchema,
  organizationSchema,
} from '../../../protocol/rest-fleet.ts';
import type { Organizations } from '../../tenancy/organizations.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/organizations';

export function organizationRoutes(options: { organizations: Organizations }): Route[] {
  const { organizations } = options;
  return [
    defineRoute({
      method: 'GET',
      path: PATH,
      summary: 'The organizations that the caller sees',
      auth: 'user',
      needs: 'self',
      response: organizationListSchema,
      handler: async ({ caller }) => ({
        items: await organizations.list(
          caller.systemAdmin ? 'all' : caller.organizations.map(({ id }) => id),
        ),
      }),
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
  ];
}
