import { loginRequestSchema, type Whoami, whoamiSchema } from '../../../protocol/rest-fleet.ts';
import { type SignInOptions, signInOptionsSchema } from '../../../protocol/rest-users.ts';
import type { Organizations } from '../../tenancy/organizations.ts';
import type { Sessions } from '../../tenancy/sessions.ts';
import type { SignIn } from '../../tenancy/sign-in.ts';
import type { Caller } from '../auth.ts';
import {
  accessOf,
  endSessionCookie,
  requireSameOrigin,
  sessionCookie,
  sessionTokenOf,
} from '../auth-user.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/session';

function whoami({
  actor,
  systemAdmin,
  organizations,
}: Pick<Caller, 'actor' | 'systemAdmin' | 'organizations'>): Whoami {
  return {
    actor: { type: actor.type === 'user' ? 'user' : 'api_token', id: actor.id, name: actor.name },
    system_admin: systemAdmin,
    organizations: organizations.map(({ id, name, role, permissions }) => ({
      id,
      name,
      role,
      permissions: [...permissions],
    })),
  };
}

/** Logging in to the dashboard, and out of it. */
export function sessionRoutes(options: {
  signIn: SignIn;
  sessions: Sessions;
  organizations: Organizations;
  /** What the page that asks may offer. */
  signInOptions: SignInOptions;
}): Route[] {
  const { signIn, sessions, organizations, signInOptions } = options;
  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/sign-in',
      summary: 'How one may sign in here',
      auth: 'none',
      response: signInOptionsSchema,
      handler: () => signInOptions,
    }),
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
        const { token, user } = await signIn.byPassword({
          ...body,
          address: request.address,
          userAgent: request.headers['user-agent'] ?? '',
          replaces: sessionTokenOf(request.headers),
        });
        reply.header('set-cookie', sessionCookie(token, sessions.limits.lifetime_s));
        return whoami({
          actor: { type: 'user', id: user.id, name: user.username },
          systemAdmin: user.systemAdmin,
          organizations: await accessOf(organizations, user),
        });
      },
    }),
    defineRoute({
      method: 'GET',
      path: PATH,
      summary: 'Who am I, and which organizations do I see',
      auth: 'user',
      needs: 'self',
      response: whoamiSchema,
      handler: ({ caller }) => whoami(caller),
    }),
    defineRoute({
      method: 'DELETE',
      path: PATH,
      summary: 'Log out; ends the session',
      auth: 'user',
      needs: 'self',
      async handler({ caller, request, reply }) {
        const { credential, actor } = caller;
        if (credential.type === 'session')
          await sessions.end({ userId: actor.id, id: credential.id, actor, address: request.address });
        reply.header('set-cookie', endSessionCookie);
        return undefined;
      },
    }),
  ];
}
