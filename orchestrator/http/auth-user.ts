import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { AppError } from '../../protocol/errors.ts';
import { organizationIdSchema } from '../../protocol/ids.ts';
import { type Permission, type Role, rolesWith } from '../../protocol/roles.ts';
import type { ApiTokenIdentity, ApiTokens } from '../tenancy/api-tokens.ts';
import { effectivePermissions } from '../tenancy/grants.ts';
import type { Organizations } from '../tenancy/organizations.ts';
import type { Sessions, SessionUser } from '../tenancy/sessions.ts';
import type { Throttle } from '../tenancy/throttle.ts';
import type { AuthenticateUser, Caller, CallerOf, OrganizationAccess } from './auth.ts';
import type { Need } from './route.ts';

/** `__Host-`: Secure, this host alone, path `/`; the browser itself holds a server to that. */
const COOKIE = '__Host-vm_session';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

export const sessionCookie = (token: string, lifetimeS: number): string =>
  `${COOKIE}=${token}; ${ATTRIBUTES}; Max-Age=${lifetimeS}`;
export const endSessionCookie = `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`;

export function cookieOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  for (const part of (headers.cookie ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim() || undefined;
  }
  return undefined;
}
export const sessionTokenOf = (headers: IncomingHttpHeaders): string | undefined => cookieOf(headers, COOKIE);

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

/** What somebody sees, and what he may do there; scopes narrow each role. */
export async function accessOf(
  organizations: Organizations,
  who: { systemAdmin: boolean; roles: ReadonlyMap<string, Role>; scopes?: readonly Permission[] | null },
): Promise<OrganizationAccess[]> {
  if (!who.systemAdmin && who.roles.size === 0) return [];
  const found = await organizations.list(who.systemAdmin ? 'all' : [...who.roles.keys()]);
  return found.map(({ id, name }) => {
    const role = who.systemAdmin ? 'admin' : (who.roles.get(id) ?? 'viewer');
    return { id, name, role, permissions: effectivePermissions(role, who.scopes ?? null) };
  });
}

export interface UserAuth {
  authenticate: AuthenticateUser;
  callerOf: CallerOf;
}

export function createUserAuth(options: {
  apiTokens: ApiTokens;
  sessions: Sessions;
  organizations: Organizations;
  /** Counts what is no credential here, for each address. */
  throttle: Throttle;
  /** Somebody came with an API token that is none; the throttle bounds how often that is told. */
  refused?: ((address: string) => Promise<void>) | undefined;
}): UserAuth {
  const { apiTokens, sessions, organizations, throttle } = options;

  const tokenCaller = async (found: ApiTokenIdentity): Promise<Caller> => ({
    credential: { type: 'api_token', id: found.id },
    actor: { type: 'api_token', id: found.id, name: found.name },
    via: 'bearer',
    systemAdmin: found.systemAdmin,
    organizations: await accessOf(organizations, {
      systemAdmin: found.systemAdmin,
      roles: new Map([[found.organizationId, found.role]]),
      scopes: found.scopes,
    }),
  });
  const sessionCaller = async (id: string, user: SessionUser): Promise<Caller> => ({
    credential: { type: 'session', id },
    actor: { type: 'user', id: user.id, name: user.username },
    via: 'cookie',
    systemAdmin: user.systemAdmin,
    organizations: await accessOf(organizations, user),
  });

  /** Who is right is not slowed down by who is wrong at the same address. */
  function unknown(address: string, detail: string, hint: string): AppError {
    const keys = [`api:${address}`];
    throttle.check(keys);
    throttle.failed(keys);
    return new AppError('unauthenticated', { detail, hint });
  }

  async function byBearer(header: string, address: string): Promise<Caller> {
    const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
    const found = token?.startsWith('vmo_') ? await apiTokens.find(token) : undefined;
    if (found) return tokenCaller(found);
    const error = unknown(
      address,
      'The API token is not known here.',
      'Send Authorization: Bearer vmo_… with a token of this orchestrator.',
    );
    await options.refused?.(address);
    throw error;
  }

  async function byCookie(
    token: string,
    request: IncomingMessage,
    setCookie?: (cookie: string) => void,
  ): Promise<Caller> {
    // An upgrade changes things later on, whatever its method; and browsers let any page ask for one.
    if (!SAFE_METHODS.has(request.method ?? '') || request.headers.upgrade !== undefined)
      requireSameOrigin(request.headers);
    const found = await sessions.find(token, { mayRotate: setCookie !== undefined });
    if (found === undefined)
      throw unknown(request.socket.remoteAddress ?? '', 'The session has ended.', 'Log in again.');
    if (found.newToken !== undefined) setCookie?.(sessionCookie(found.newToken, sessions.limits.lifetime_s));
    return sessionCaller(found.id, found.user);
  }

  return {
    async authenticate(request, setCookie) {
      const { authorization } = request.headers;
      if (authorization !== undefined) return byBearer(authorization, request.socket.remoteAddress ?? '');
      const session = sessionTokenOf(request.headers);
      if (session !== undefined) return byCookie(session, request, setCookie);
      throw new AppError('unauthenticated', {
        hint: 'Send Authorization: Bearer vmo_…, or log in to the dashboard.',
      });
    },
    async callerOf({ type, id }) {
      if (type === 'api_token') {
        const found = await apiTokens.byId(id);
        return found && tokenCaller(found);
      }
      const user = await sessions.byId(id);
      return user && sessionCaller(id, user);
    },
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
  const role = `has the role ${org?.role ?? 'none'} in ${org?.name ?? 'this organization'}`;
  // The role would do; the token's scopes do not.
  if (org && rolesWith(need).includes(org.role))
    throw new AppError('forbidden', {
      detail: `This needs the right ${need}; ${caller.actor.name} ${role}, and scopes without it.`,
      hint: 'Make an API token whose scopes hold it.',
    });
  throw new AppError('forbidden', {
    detail: `This needs the right ${need}, and ${caller.actor.name} ${role}.`,
    hint: `It comes with the role ${rolesWith(need).join(' or ')}; an admin of the organization can give it.`,
  });
}
