import type { IncomingMessage } from 'node:http';
import type { Actor } from '../../protocol/command.ts';
import type { AgentId, OrganizationId, VmId } from '../../protocol/ids.ts';
import type { Permission, Role } from '../../protocol/roles.ts';

export interface OrganizationRef {
  id: OrganizationId;
  name: string;
}

/** An organization, and what the caller may do in it. */
export interface OrganizationAccess extends OrganizationRef {
  role: Role;
  permissions: ReadonlySet<Permission>;
}

/** What the caller showed; it can be looked up again while his connection lasts. */
export interface Credential {
  type: 'session' | 'api_token';
  id: string;
}

/** Who asks, on a `user` route. */
export interface Caller {
  credential: Credential;
  /** As the audit log and the signed commands name him. */
  actor: Actor;
  /** How he proved it; a cookie comes from a browser, so its mutations need a matching origin. */
  via: 'bearer' | 'cookie';
  /** Rules the whole orchestrator: is admin of every organization and may create new ones. */
  systemAdmin: boolean;
  organizations: readonly OrganizationAccess[];
}

/** Who asks, on an `agent` route or upgrade. Everything here comes from the certificate and the store. */
export interface AuthenticatedAgent {
  organizationId: OrganizationId;
  agentId: AgentId;
  vmId: VmId;
  state: 'active' | 'quarantined' | 'pending';
  /** Hex SHA-256 of the client certificate. */
  fingerprint: string;
  /** A socket is closed at this time at the latest (ms since the epoch). */
  certificateEndsMs: number;
}

/**
 * The one door for agents, for REST and for WebSocket upgrades: verified chain, role, organization against issuer
 * and SAN, dates, revocation, the path's own vm_id, no Origin.
 * @throws AppError `client_certificate_required`, `certificate_expired`, `certificate_revoked`, `wrong_agent`, `origin_refused`.
 */
export type AuthenticateAgent = (request: IncomingMessage, vmId: string) => Promise<AuthenticatedAgent>;

/**
 * Bearer token or session cookie; never a client certificate. A session’s token is renewed from time to time where the
 * browser can be told: by `setCookie`.
 * @throws AppError `unauthenticated`, `origin_refused`, `rate_limited`
 */
export type AuthenticateUser = (
  request: IncomingMessage,
  setCookie?: (cookie: string) => void,
) => Promise<Caller>;

/** What the credential allows by now; undefined when it counts no more. Is no use of it. */
export type CallerOf = (credential: Credential) => Promise<Caller | undefined>;
