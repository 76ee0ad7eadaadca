import { constants } from 'node:crypto';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { TLS_GROUPS, TLS_MIN_VERSION } from '../protocol/certificate-profile.ts';

/** What a listener shows, and whose client certificates it believes. PEM. */
export interface ServerCredentials {
  cert: string;
  key: string;
  ca: readonly string[];
}

/** Options for one certificate of a listener; also what `setSecureContext` and `addContext` take at run time. */
export function secureContext(credentials: ServerCredentials): SecureContextOptions {
  return {
    cert: credentials.cert,
    key: credentials.key,
    ca: [...credentials.ca],
    minVersion: TLS_MIN_VERSION,
    ecdhCurve: TLS_GROUPS,
    // Node takes an expired client certificate on a resumed session for authorized.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * Options of a listener that asks for a client certificate. With `demand: 'per-request'` browsers without one get
 * through the handshake, and each route that needs an identity must take it from tls-peer.ts: this is Node's only
 * way to ask without demanding, and the one place where verification is not enforced by the handshake itself.
 */
export function tlsServerOptions(
  credentials: ServerCredentials,
  options: { demand: 'handshake' | 'per-request' },
): TlsOptions {
  const common: TlsOptions = {
    ...secureContext(credentials),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: 10_000,
    requestCert: true,
  };
  return options.demand === 'handshake'
    ? { ...common, rejectUnauthorized: true }
    : { ...common, rejectUnauthorized: false };
}
