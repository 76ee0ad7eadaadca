import { AGENT_SNI } from './version.ts';

/**
 * What each certificate holds. The CA writes all of it; from a CSR it takes the public key alone, after checking
 * that the CSR is signed by that key. Keys are P-256, signatures ECDSA with SHA-256 (RFC 5280, RFC 5480).
 */
export const LIFETIME_S = {
  root: 10 * 365 * 24 * 3600,
  issuing: 365 * 24 * 3600,
  orchestrator: 90 * 24 * 3600,
  agentDefault: 30 * 24 * 3600,
  agentMax: 30 * 24 * 3600,
  /** For tests and labs: clocks that differ by more shut agents out. */
  agentMin: 5,
} as const;

/** How long what a CA makes lives (s). */
export type Lifetimes = Readonly<Record<'issuing' | 'orchestrator' | 'agent', number>>;

export const DEFAULT_LIFETIMES: Lifetimes = {
  issuing: LIFETIME_S.issuing,
  orchestrator: LIFETIME_S.orchestrator,
  agent: LIFETIME_S.agentDefault,
};

/** NotBefore lies this far back, for peers whose clocks are a little behind. */
export const BACKDATE_S = 600;
/** A certificate is renewed at this share of its life, give or take {@link RENEW_JITTER} of its life. */
export const RENEW_AT = 0.5;
export const RENEW_JITTER = 0.1;

export type Role =
  | { role: 'agent'; trustDomain: string; orgId: string; id: string }
  | { role: 'client'; trustDomain: string; orgId: string; id: string }
  | { role: 'orchestrator'; trustDomain: string };

const SPIFFE =
  /^spiffe:\/\/([a-z0-9.-]{1,253})\/(?:org\/([a-z0-9-]{1,64})\/(agent|client)\/([A-Za-z0-9._-]{1,128})|(orchestrator))$/;

/** URI SAN of a role (SPIFFE ID syntax). */
export function roleUri(role: Role): string {
  return role.role === 'orchestrator'
    ? `spiffe://${role.trustDomain}/orchestrator`
    : `spiffe://${role.trustDomain}/org/${role.orgId}/${role.role}/${role.id}`;
}

/** Undefined for anything that is not exactly one of our role URIs. */
export function parseRoleUri(uri: string): Role | undefined {
  const match = SPIFFE.exec(uri);
  if (match === null) return undefined;
  const [, trustDomain = '', orgId = '', role, id = '', orchestrator] = match;
  if (orchestrator !== undefined) return { role: 'orchestrator', trustDomain };
  return role === 'agent' || role === 'client' ? { role, trustDomain, orgId, id } : undefined;
}

/** SAN of an agent's certificate, which is its client certificate and serves its local HTTPS. */
export function agentSubjectAltNames(options: {
  trustDomain: string;
  orgId: string;
  agentId: string;
  extraDns?: readonly string[];
}) {
  return {
    uris: [
      roleUri({ role: 'agent', trustDomain: options.trustDomain, orgId: options.orgId, id: options.agentId }),
    ],
    dns: [`${options.agentId}.agent.internal`, 'localhost', ...(options.extraDns ?? [])],
    ips: ['127.0.0.1', '::1'],
  };
}

/** SAN of the orchestrator's own certificate: its public name, and the fixed name that agents ask for. */
export function orchestratorSubjectAltNames(options: {
  trustDomain: string;
  dns: readonly string[];
  ips: readonly string[];
}) {
  return {
    uris: [roleUri({ role: 'orchestrator', trustDomain: options.trustDomain })],
    dns: [AGENT_SNI, ...options.dns],
    ips: [...options.ips],
  };
}

/** TLS between agent and orchestrator: 1.3 only, hybrid post-quantum key exchange first. */
export const TLS_MIN_VERSION = 'TLSv1.3';
export const TLS_GROUPS = 'X25519MLKEM768:X25519';
