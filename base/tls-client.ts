import { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls';
import { TLS_GROUPS, TLS_MIN_VERSION } from '../protocol/certificate-profile.ts';
import { AGENT_SNI } from '../protocol/version.ts';
import { identityOf } from './tls-peer.ts';

/** What an agent needs to speak to its orchestrator. PEM. */
export interface ClientCredentials {
  /** The roots that it trusts, and nothing else. */
  ca: readonly string[];
  cert?: string | undefined;
  key?: string | undefined;
}

/**
 * Name *and* role: a certificate of this CA that belongs to an agent must not pass for the orchestrator. Returns the
 * error, as `tls.connect` wants it.
 */
export function checkOrchestrator(host: string, certificate: PeerCertificate): Error | undefined {
  const wrongName = checkServerIdentity(host, certificate);
  if (wrongName) return wrongName;
  const identity = identityOf(new X509Certificate(certificate.raw));
  if (identity?.role.role === 'orchestrator') return undefined;
  return Object.assign(
    new Error(
      `the server shows a certificate of role ${identity?.role.role ?? 'none'}, not of an orchestrator`,
    ),
    {
      code: 'ERR_NOT_AN_ORCHESTRATOR',
    },
  );
}

/** Options for `https.request` and `ws`: TLS 1.3, the private CA alone, and the role of the other end. */
export function orchestratorTls(credentials: ClientCredentials): ConnectionOptions {
  return {
    ca: [...credentials.ca],
    ...(credentials.cert === undefined ? {} : { cert: credentials.cert }),
    ...(credentials.key === undefined ? {} : { key: credentials.key }),
    servername: AGENT_SNI,
    minVersion: TLS_MIN_VERSION,
    ecdhCurve: TLS_GROUPS,
    checkServerIdentity: checkOrchestrator,
    rejectUnauthorized: true,
  };
}
