import { loginRequestSchema, whoamiSchema } from '../../../protocol/rest-fleet.ts';
import type { Organizations } from '../../tenancy/organizations.ts';
import type { Users } from '../../tenancy/users.ts';
import { endSessionCookie, requireSameOrigin, sessionCookie, sessionTokenOf } from '../auth-user.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/session';

/** Logging in to the dashboard, and out of it. */
export function sessionRoutes(options: { users: Users; organizations: Organizations }): Route[] {
  const { users, organizations } = options;
  return [
    defineRoute({
      method: 'POST',
      path: PATH,
      summary: 'Log in; sets the session cookie',
      auth: 'none',
      body: loginRequestSchema,
      response: whoamiSchema,
      async handler({ body, request, reply }) {
        // Another site must not log its visitors in to an account of its own.
        if (request.headers.origin !== undefined) requireSameOrigin(request.headers);
        const { token, user } = await users.login({ ...body, address: request.address });
        reply.header('set-cookie', sessionCookie(token));
        const own = await organizations.list(user.operator ? 'all' : user.organizationIds);
        return {
          actor: { type: 'user' as const, id: user.id, name: user.username },
          organizations: own,
        };
      },
    }),
    defineRoute({
      method: 'GET',
      path: PATH,
      summary: 'Who am I, and which organizations do I see',
      auth: 'user',
      response: whoamiSchema,
      handler({ caller }) {
        const { type, id, name } = caller.actor;
        return {
          actor: { type: type === 'user' ? ('user' as const) : ('api_token' as const), id, name },
          organizations: [...caller.organizations],
        };
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: PATH,
      summary: 'Log out; ends the session',
      auth: 'user',
      async handler({ request, reply }) {
        const token = sessionTokenOf(request.headers);
        if (token !== undefined) await users.logout(token, request.address);
        reply.header('set-cookie', endSessionCookie);
        return undefined;
      },
    }),
  ];
}
