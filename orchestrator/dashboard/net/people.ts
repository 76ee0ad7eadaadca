import type {
  ApiToken,
  CreateApiTokenRequest,
  CreateApiTokenResponse,
  Organization,
  TokenAgent,
} from '../../../protocol/rest-fleet.ts';
import type {
  CreateUserRequest,
  CreateUserResponse,
  Member,
  SignInOptions,
  User,
  WebSession,
} from '../../../protocol/rest-users.ts';
import type { Role } from '../../../protocol/roles.ts';
import { fetchAll, send, sendJson } from './api.ts';

const inOrg = (org: string, path: string): string => `/api/v1/organizations/${org}/${path}`;

export const fetchSignInOptions = (): Promise<SignInOptions> => sendJson('/api/v1/sign-in');

export const changePassword = (
  current: string,
  wanted: string,
  idempotencyKey: string,
): Promise<{ sessions_ended: number }> =>
  sendJson('/api/v1/session/password', {
    method: 'POST',
    idempotencyKey,
    body: { current_password: current, new_password: wanted },
  });
export const fetchSessions = (signal: AbortSignal): Promise<WebSession[]> =>
  fetchAll('/api/v1/sessions', signal);
export const endSession = (id: string): Promise<Response> =>
  send(`/api/v1/sessions/${id}`, { method: 'DELETE' });
export const endOtherSessions = (): Promise<Response> => send('/api/v1/sessions', { method: 'DELETE' });

export const fetchMembers = (org: string, signal: AbortSignal): Promise<Member[]> =>
  fetchAll(inOrg(org, 'users'), signal);
export const addMember = (
  org: string,
  body: { username: string; role: Role },
  idempotencyKey: string,
): Promise<Member> => sendJson(inOrg(org, 'users'), { method: 'POST', body, idempotencyKey });
export const changeMember = (org: string, id: string, role: Role): Promise<Member> =>
  sendJson(inOrg(org, `users/${id}`), { method: 'PATCH', body: { role } });
export const removeMember = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `users/${id}`), { method: 'DELETE' });

export const fetchUsers = (
  cursor: string | null,
  signal?: AbortSignal,
): Promise<{ items: User[]; next_cursor: string | null }> =>
  sendJson(
    `/api/v1/users?limit=500${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    signal === undefined ? {} : { signal },
  );
export const createUser = (body: CreateUserRequest, idempotencyKey: string): Promise<CreateUserResponse> =>
  sendJson('/api/v1/users', { method: 'POST', body, idempotencyKey });
export const changeUser = (id: string, body: { disabled?: boolean; system_admin?: boolean }): Promise<User> =>
  sendJson(`/api/v1/users/${id}`, { method: 'PATCH', body });
export const resetPassword = (id: string, idempotencyKey: string): Promise<{ password: string | null }> =>
  sendJson(`/api/v1/users/${id}/password`, { method: 'POST', body: {}, idempotencyKey });

export const fetchApiTokens = (org: string, signal: AbortSignal): Promise<ApiToken[]> =>
  fetchAll(inOrg(org, 'api-tokens'), signal);
export const createApiToken = (
  org: string,
  body: CreateApiTokenRequest,
  idempotencyKey: string,
): Promise<CreateApiTokenResponse> =>
  sendJson(inOrg(org, 'api-tokens'), { method: 'POST', body, idempotencyKey });
export const revokeApiToken = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `api-tokens/${id}`), { method: 'DELETE' });

export const createOrganization = (name: string, idempotencyKey: string): Promise<Organization> =>
  sendJson('/api/v1/organizations', { method: 'POST', body: { name }, idempotencyKey });
export const renameOrganization = (org: string, name: string): Promise<Organization> =>
  sendJson(`/api/v1/organizations/${org}`, { method: 'PATCH', body: { name } });
export const deleteOrganization = (org: string, revokeAgents: boolean): Promise<Response> =>
  send(`/api/v1/organizations/${org}?revoke_agents=${revokeAgents}`, { method: 'DELETE' });

export const fetchTokenAgents = (org: string, id: string, signal: AbortSignal): Promise<TokenAgent[]> =>
  fetchAll(inOrg(org, `provisioning-tokens/${id}/agents`), signal);
