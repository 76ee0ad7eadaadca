import type { Clock } from '../../base/clock.ts';
import type { ClientCredentials } from '../../base/tls-client.ts';
import { type RenewResponse, renewResponseSchema } from '../../protocol/rest-registration.ts';
import { callJson } from './json-call.ts';
import type { ProxySettings } from './proxy.ts';

const TIMEOUT_MS = 30_000;
const LEAST_TIMEOUT_MS = 2000;

/** A third of what is left, where that is short, so that there is time for another try. */
const timeoutFor = (leftMs = Number.POSITIVE_INFINITY): number =>
  Math.min(TIMEOUT_MS, Math.max(LEAST_TIMEOUT_MS, leftMs / 3));

/** `wss://host/api/v1/agents/<vm_id>/ws` → `https://host/api/v1/agents/<vm_id>/renew`. */
export function renewUrl(websocketUrl: string): URL {
  const url = new URL(websocketUrl);
  url.protocol = 'https:';
  url.pathname = url.pathname.replace(/\/ws\/?$/, '/renew');
  url.search = '';
  return url;
}

/**
 * Asks for a new certificate with the present one. @throws AppError as the orchestrator says, or the network's error.
 */
export async function requestRenewal(options: {
  websocketUrl: string;
  credentials: ClientCredentials;
  csrPem: string;
  clock: Clock;
  proxy?: ProxySettings | undefined;
  /** Of the life of the present certificate, where that may be short. */
  leftMs?: number;
}): Promise<RenewResponse> {
  const { websocketUrl, csrPem, leftMs, ...call } = options;
  const body = { csr_base64: Buffer.from(csrPem).toString('base64') };
  const timeoutMs = timeoutFor(leftMs);
  return renewResponseSchema.parse(
    await callJson({ ...call, method: 'POST', url: renewUrl(websocketUrl), body, timeoutMs }),
  );
}
