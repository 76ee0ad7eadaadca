import { z } from 'zod';
import { AppError } from '../../../protocol/errors.ts';
import { userIdSchema } from '../../../protocol/ids.ts';
import { listQuerySchema, longListQuerySchema } from '../../../protocol/rest-pages.ts';
import {
  addMemberRequestSchema,
  changeMemberRequestSchema,
  changeUserRequestSchema,
  createUserRequestSchema,
  createUserResponseSchema,
  memberListSchema,
  memberSchema,
  resetPasswordRequestSchema,
  resetPasswordResponseSchema,
  userListSchema,
  userSchema,
} from '../../../protocol/rest-users.ts';
import type { Members } from '../../tenancy/members.ts';
import type { Users } from '../../tenancy/users.ts';
import type { Caller, OrganizationAccess } from '../auth.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type RequestInfo, type Route } from '../route.ts';

const MEMBERS = '/api/v1/organizations/{org}/users';
const USERS = '/api/v1/users';
const params = z.object({ id: userIdSchema });

const change = (caller: Caller, org: OrganizationAccess, request: RequestInfo) => ({
  organizationId: org.id,
  granter: { role: org.role, permissions: org.permissions, systemAdmin: caller.systemAdmin },
  actor: caller.actor,
  address: request.address,
});

/** The people of one organization. */
export function memberRoutes(options: { members: Members }): Route[] {
  const { members } = options;
  return [
    defineRoute({
      method: 'GET',
      path: MEMBERS,
      summary: 'Users of the organization, with their roles',
      auth: 'user',
      needs: 'users.read',
      query: longListQuerySchema,
      response: memberListSchema,
      handler: async ({ org, query }) => pageAnswer(await members.list(org.id, pageOf(query))),
    }),
    defineRoute({
      method: 'POST',
      path: MEMBERS,
      summary: 'Add a user who exists to the organization',
      auth: 'user',
      needs: 'users.write',
      body: addMemberRequestSchema,
      response: memberSchema,
      successStatus: 201,
      handler: ({ caller, org, body, request }) => members.add({ ...change(caller, org, request), ...body }),
    }),
    defineRoute({
      method: 'PATCH',
      path: `${MEMBERS}/{id}`,
      summary: 'Change a user’s role; his sessions end',
      auth: 'user',
      needs: 'users.write',
      params,
      body: changeMemberRequestSchema,
      response: memberSchema,
      handler: ({ caller, org, params: { id }, body, request }) =>
        members.changeRole({ ...change(caller, org, request), userId: id, role: body.role }),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${MEMBERS}/{id}`,
      summary: 'Take a user out of the organization; his sessions end',
      auth: 'user',
      needs: 'users.write',
      params,
      async handler({ caller, org, params: { id }, request }) {
        await members.remove({ ...change(caller, org, request), userId: id });
        return undefined;
      },
    }),
  ];
}

/** The people of the whole orchestrator. */
export function userRoutes(options: { users: Users }): Route[] {
  const { users } = options;
  const by = (caller: Caller, request: RequestInfo) => ({ actor: caller.actor, address: request.address });
  return [
    defineRoute({
      method: 'GET',
      path: USERS,
      summary: 'Users of the whole orchestrator, in the order in which they were made',
      auth: 'user',
      needs: 'system',
      query: listQuerySchema,
      response: userListSchema,
      handler: async ({ query }) => pageAnswer(await users.list(pageOf(query))),
    }),
    defineRoute({
      method: 'POST',
      path: USERS,
      summary: 'Create a user',
      auth: 'user',
      needs: 'system',
      body: createUserRequestSchema,
      response: createUserResponseSchema,
      successStatus: 201,
      handler: ({ caller, body, request }) => users.create({ ...by(caller, request), wanted: body }),
    }),
    defineRoute({
      method: 'GET',
      path: `${USERS}/{id}`,
      summary: 'One user',
      auth: 'user',
      needs: 'system',
      params,
      response: userSchema,
      handler: ({ params: { id } }) => users.get(id),
    }),
    defineRoute({
      method: 'PATCH',
      path: `${USERS}/{id}`,
      summary: 'Disable or enable a user, or make him an administrator of the orchestrator; his sessions end',
      auth: 'user',
      needs: 'system',
      params,
      body: changeUserRequestSchema,
      response: userSchema,
      handler: ({ caller, params: { id }, body, request }) => {
        if (caller.actor.id === id && (body.disabled === true || body.system_admin === false))
          throw new AppError('conflict', {
            detail: 'Nobody disables himself or gives up the rule over the orchestrator by himself.',
            hint: 'Ask another administrator of the orchestrator.',
          });
        return users.change({ ...by(caller, request), id, wanted: body });
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${USERS}/{id}/password`,
      summary: 'Give a user a new password; his sessions end',
      auth: 'user',
      needs: 'system',
      params,
      body: resetPasswordRequestSchema,
      response: resetPasswordResponseSchema,
      handler: ({ caller, params: { id }, body, request }) =>
        users.resetPassword({ ...by(caller, request), id, password: body.password }),
    }),
  ];
}
