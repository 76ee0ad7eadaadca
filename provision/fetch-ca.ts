import type { ProxySettings } from '../agent/identity/proxy.ts';
import type { Clock } from '../base/clock.ts';
import { TLS_MIN_VERSION } from '../protocol/certificate-profile.ts';
import { AGENT_SNI } from '../protocol/version.ts';
import { ask } from './https-client.ts';

/**
 * Gets the orchestrator's certificates over a connection that is not verified, because there is nothing yet to
 * verify it with. It sends a bare GET and nothing of this machine; the caller compares what came with the pin of the
 * token and opens a new connection, verified, for everything else. Used only when no CA file was given.
 */
export async function fetchCa(options: {
  server: URL;
  clock: Clock;
  proxy?: ProxySettings | undefined;
}): Promise<{
  status: number;
  pem: string;
  /** The `Date` header; it is believed only to say that the clocks differ. */
  date: string | undefined;
}> {
  const answer = await ask({
    url: new URL('/api/v1/ca-certificate', options.server),
    clock: options.clock,
    proxy: options.proxy,
    tls: { rejectUnauthorized: false, servername: AGENT_SNI, minVersion: TLS_MIN_VERSION },
    maxBytes: 256 * 1024,
  });
  return { status: answer.status, pem: answer.body.toString('utf8'), date: answer.date };
}
