import { z } from 'zod';
import { AppError } from '../../../protocol/errors.ts';
import { apiTokenIdSchema, sessionIdSchema } from '../../../protocol/ids.ts';
import {
  apiTokenListSchema,
  createApiTokenResponseSchema,
  createOwnApiTokenRequestSchema,
} from '../../../protocol/rest-fleet.ts';
import { longListQuerySchema } from '../../../protocol/rest-pages.ts';
import {
  changePasswordRequestSchema,
  endedSessionsSchema,
  webSessionListSchema,
} from '../../../protocol/rest-users.ts';
import type { ApiTokens } from '../../tenancy/api-tokens.ts';
import type { Sessions } from '../../tenancy/sessions.ts';
import type { SignIn } from '../../tenancy/sign-in.ts';
import type { Caller } from '../auth.ts';
import { organizationOf } from '../auth-user.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/session';
const SESSIONS = '/api/v1/sessions';
const TOKENS = '/api/v1/account/api-tokens';

/** @throws AppError `forbidden` for a program */
function sessionOf({ credential }: Caller): string {
  if (credential.type === 'session') return credential.id;
  throw new AppError('forbidden', {
    detail: 'This is about a person’s own account, and an API token is nobody’s.',
    hint: 'Sign in to the dashboard.',
  });
}

/** What a person does with an account of his own. */
export function accountRoutes(options: {
  signIn: SignIn;
  sessions: Sessions;
  apiTokens: ApiTokens;
}): Route[] {
  const { signIn, sessions, apiTokens } = options;
  return [
    defineRoute({
      method: 'POST',
      path: TOKENS,
      summary: 'Make an API token of one’s own, with at most one’s own rights',
      auth: 'user',
      needs: 'self',
      body: createOwnApiTokenRequestSchema,
      response: createApiTokenResponseSchema,
      successStatus: 201,
      handler({ caller, body: { organization, ...body }, request }) {
        sessionOf(caller);
        const { id, role, permissions } = organizationOf(caller, organization);
        return apiTokens.create({
          organizationId: id,
          wanted: { ...body, role: body.role ?? role, system_admin: false },
          granter: { role, permissions, systemAdmin: false },
          actor: caller.actor,
          address: request.address,
        });
      },
    }),
    defineRoute({
      method: 'GET',
      path: TOKENS,
      summary: 'API tokens of one’s own, without their secrets',
      auth: 'user',
      needs: 'self',
      query: longListQuerySchema,
      response: apiTokenListSchema,
      async handler({ caller, query }) {
        sessionOf(caller);
        return pageAnswer(await apiTokens.listOwn(caller.actor.id, pageOf(query)));
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: `${TOKENS}/{id}`,
      summary: 'Revoke an API token of one’s own',
      auth: 'user',
      needs: 'self',
      params: z.object({ id: apiTokenIdSchema }),
      async handler({ caller, params: { id }, request }) {
        sessionOf(caller);
        const { actor } = caller;
        await apiTokens.revokeOwn({ userId: actor.id, id, actor, address: request.address });
        return undefined;
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/password`,
      summary: 'Change one’s own password; the other sessions end',
      auth: 'user',
      needs: 'self',
      body: changePasswordRequestSchema,
      response: endedSessionsSchema,
      async handler({ caller, body, request }) {
        const sessions_ended = await signIn.changePassword({
          userId: caller.actor.id,
          sessionId: sessionOf(caller),
          current: body.current_password,
          wanted: body.new_password,
          actor: caller.actor,
          address: request.address,
        });
        return { sessions_ended };
      },
    }),
    defineRoute({
      method: 'GET',
      path: SESSIONS,
      summary: 'Where one is signed in',
      auth: 'user',
      needs: 'self',
      query: longListQuerySchema,
      response: webSessionListSchema,
      async handler({ caller, query }) {
        const current = sessionOf(caller);
        return pageAnswer(await sessions.list(caller.actor.id, current, pageOf(query)));
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: SESSIONS,
      summary: 'End all sessions of one’s own but this one',
      auth: 'user',
      needs: 'self',
      response: endedSessionsSchema,
      handler: async ({ caller, request }) => ({
        sessions_ended: await sessions.endOthers({
          userId: caller.actor.id,
          id: sessionOf(caller),
          actor: caller.actor,
          address: request.address,
        }),
      }),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${SESSIONS}/{id}`,
      summary: 'End one session of one’s own',
      auth: 'user',
      needs: 'self',
      params: z.object({ id: sessionIdSchema }),
      async handler({ caller, params: { id }, request }) {
        sessionOf(caller);
        const { actor } = caller;
        await sessions.end({ userId: actor.id, id, actor, address: request.address });
        return undefined;
      },
    }),
  ];
}
