import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { AppError } from '../../protocol/errors.ts';
import { organizationIdSchema } from '../../protocol/ids.ts';
import { type Permission, permissionsOf, type Role, rolesWith } from '../../protocol/roles.ts';
import type { ApiTokens } from '../tenancy/api-tokens.ts';
import type { Organizations } from '../tenancy/organizations.ts';
import type { Throttle } from '../tenancy/throttle.ts';
import { SESSION_LIFE_S, type Users } from '../tenancy/users.ts';
import type { AuthenticateUser, Caller, OrganizationAccess } from './auth.ts';
import type { Need } from './route.ts';

/** `__Host-`: Secure, this host alone, path `/`; the browser itself holds a server to that. */
const COOKIE = '__Host-vm_session';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

export const sessionCookie = (token: string): string =>
  `${COOKIE}=${token}; ${ATTRIBUTES}; Max-Age=${SESSION_LIFE_S}`;
export const endSessionCookie = `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`;

export function sessionTokenOf(headers: IncomingHttpHeaders): string | undefined {
  for (const part of (headers.cookie ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === COOKIE) return part.slice(at + 1).trim() || undefined;
  }
  return undefined;
}

/**
 * Whether a request comes from our own page: browsers say so by Sec-Fetch-Site, older ones by an Origin that is
 * the host they speak to. @throws AppError `origin_refused`
 */
export function requireSameOrigin(headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site'];
  if (site !== undefined ? site === 'same-origin' : originIsHost(headers)) return;
  throw new AppError('origin_refused', {
    detail: 'Changes with a dashboard session must come from the dashboard’s own page.',
    hint: 'Programs use an API token: Authorization: Bearer vmo_….',
  });
}

function originIsHost(headers: IncomingHttpHeaders): boolean {
  if (headers.origin === undefined || headers.host === undefined) return false;
  return headers.origin.toLowerCase() === `https://${headers.host.toLowerCase()}`;
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The organizations that somebody sees, and what he may do in each. */
export async function accessOf(
  organizations: Organizations,
  who: { systemAdmin: boolean; roles: ReadonlyMap<string, Role> },
): Promise<OrganizationAccess[]> {
  const found = await organizations.list(who.systemAdmin ? 'all' : [...who.roles.keys()]);
  return found.map(({ id, name }) => {
    const role = who.systemAdmin ? 'admin' : (who.roles.get(id) ?? 'viewer');
    return { id, name, role, permissions: permissionsOf(role) };
  });
}

export function createUserAuth(options: {
  apiTokens: ApiTokens;
  users: Users;
  organizations: Organizations;
  throttle: Throttle;
  /** Somebody came with an API token that is none; the throttle bounds how often that is told. */
  refused?(address: string): Promise<void>;
}): AuthenticateUser {
  const { apiTokens, users, organizations, throttle } = options;

  async function byBearer(header: string, address: string): Promise<Caller> {
    const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
    const keys = [`api:${address}`];
    throttle.check(keys);
    const found = token?.startsWith('vmo_') ? await apiTokens.find(token) : undefined;
    if (found === undefined) {
      throttle.failed(keys);
      await options.refused?.(address);
      throw new AppError('unauthenticated', {
        detail: 'The API token is not known here.',
        hint: 'Send Authorization: Bearer vmo_… with a token of this orchestrator.',
      });
    }
    return {
      actor: { type: 'api_token', id: found.id, name: found.name },
      via: 'bearer',
      systemAdmin: found.systemAdmin,
      organizations: await accessOf(organizations, {
        systemAdmin: found.systemAdmin,
        roles: new Map([[found.organizationId, found.role]]),
      }),
    };
  }

  async function byCookie(token: string, request: IncomingMessage): Promise<Caller> {
    const user = await users.findSession(token);
    if (user === undefined) {
      throw new AppError('unauthenticated', { detail: 'The session has ended.', hint: 'Log in again.' });
    }
    if (!SAFE_METHODS.has(request.method ?? '')) requireSameOrigin(request.headers);
    return {
      actor: { type: 'user', id: user.id, name: user.username },
      via: 'cookie',
      systemAdmin: user.systemAdmin,
      organizations: await accessOf(organizations, user),
    };
  }

  return async (request) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) return byBearer(authorization, request.socket.remoteAddress ?? '');
    const session = sessionTokenOf(request.headers);
    if (session !== undefined) return byCookie(session, request);
    throw new AppError('unauthenticated', {
      hint: 'Send Authorization: Bearer vmo_…, or log in to the dashboard.',
    });
  };
}

/** The caller's organization of this identifier or name; foreign ones do not exist for him. */
export function organizationOf(caller: Caller, idOrName: string): OrganizationAccess {
  const found = caller.organizations.find(({ id, name }) => id === idOrName || name === idOrName);
  if (found) return { ...found, id: organizationIdSchema.parse(found.id) };
  throw new AppError('not_found', { detail: 'There is no such organization here.' });
}

/**
 * Holds a caller to what a route needs; the one place where that is decided.
 * @throws AppError `forbidden`
 */
export function requireNeed(need: Need, caller: Caller, org: OrganizationAccess | undefined): void {
  if (need === 'self' || caller.systemAdmin) return;
  if (need === 'system')
    throw new AppError('forbidden', {
      detail: 'Only an administrator of the whole orchestrator may do this.',
    });
  if (org?.permissions.has(need)) return;
  throw new AppError('forbidden', {
    detail: `This needs the right ${need}, and ${caller.actor.name} has the role ${org?.role ?? 'none'} in ${org?.name ?? 'this organization'}.`,
    hint: `It comes with the role ${rolesWith(need satisfies Permission).join(' or ')}; an admin of the organization can give it.`,
  });
}
