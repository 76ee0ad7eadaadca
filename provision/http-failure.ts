import { AppError } from '../protocol/errors.ts';
import { clockSuspected } from './clock-check.ts';

const WHY: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known here',
  EAI_AGAIN: 'the name service did not answer',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'no route leads there',
  ENETUNREACH: 'no network leads there',
  ETIMEDOUT: 'it did not answer in time',
  EPIPE: 'the connection was cut',
  // What Linux answers for a route of the type blackhole.
  EINVAL: 'the route there drops everything',
  EACCES: 'a route or firewall here forbids it',
};

const HINTS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'Check the name in --server-url and this machine’s name server.',
  EAI_AGAIN: 'Check this machine’s name server (/etc/resolv.conf) and network.',
  ECONNREFUSED: 'Check the port in --server-url, and that the orchestrator runs.',
};

/** Codes of TLS for a certificate that the trusted CA did not sign, or not for this. */
const UNTRUSTED = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_NOT_AN_ORCHESTRATOR',
]);

/** What a request to the orchestrator threw, in words. */
export function explainConnection(cause: unknown, url: URL, nowMs: number): AppError {
  if (cause instanceof AppError) return cause;
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const first = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined;
  const code = String((error as NodeJS.ErrnoException).code ?? (first as NodeJS.ErrnoException)?.code ?? '');
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') return clockSuspected(nowMs, error);
  if (UNTRUSTED.has(code)) {
    return new AppError('ca_mismatch', {
      detail: `${url.host} shows a certificate that the pinned CA does not vouch for (${error.message}). No token was sent.`,
      hint: 'Check that --server-url and the token are of the same orchestrator.',
      cause,
    });
  }
  if (code === 'ERR_PROXY_TUNNEL') return proxyRefused(error, url);
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
    return new AppError('server_unreachable', {
      detail: `${url.host} does not speak TLS 1.3 as an orchestrator does (${code}).`,
      hint: 'Check the port in --server-url, and that no proxy takes TLS apart on the way.',
      cause,
    });
  }
  return new AppError('server_unreachable', {
    detail: `${url.origin} cannot be reached: ${WHY[code] ?? error.message}.`,
    hint: HINTS[code] ?? 'Check --server-url, the network and the firewall on the way to the orchestrator.',
    cause,
  });
}

/** Its text names no proxy, whose address may hold a password. */
function proxyRefused(cause: Error & { statusCode?: number }, url: URL): AppError {
  const asks = cause.statusCode === 407;
  return new AppError('server_unreachable', {
    detail: `The proxy opens no tunnel to ${url.host} (${
      asks ? '407: it asks for a user and a password' : `status ${cause.statusCode ?? 'unknown'}`
    }).`,
    hint: asks
      ? 'Give them in HTTPS_PROXY=http://user:password@host:port, or orchestrator.proxy.url in agent_config.yaml.'
      : 'Ask who runs the proxy to allow CONNECT to that host and port, or name it in NO_PROXY.',
    cause,
  });
}
