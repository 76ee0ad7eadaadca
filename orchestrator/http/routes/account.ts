import { z } from 'zod';
import { AppError } from '../../../protocol/errors.ts';
import { sessionIdSchema } from '../../../protocol/ids.ts';
import { longListQuerySchema } from '../../../protocol/rest-pages.ts';
import {
  changePasswordRequestSchema,
  endedSessionsSchema,
  webSessionListSchema,
} from '../../../protocol/rest-users.ts';
import type { Sessions } from '../../tenancy/sessions.ts';
import type { SignIn } from '../../tenancy/sign-in.ts';
import type { Caller } from '../auth.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/session';
const SESSIONS = '/api/v1/sessions';

/** @throws AppError `forbidden` for a program */
function sessionOf({ credential }: Caller): string {
  if (credential.type === 'session') return credential.id;
  throw new AppError('forbidden', {
    detail: 'This is about a person’s own account, and an API token is nobody’s.',
    hint: 'Sign in to the dashboard.',
  });
}

/** What a person does with an account of his own. */
export function accountRoutes(options: { signIn: SignIn; sessions: Sessions }): Route[] {
  const { signIn, sessions } = options;
  return [
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
