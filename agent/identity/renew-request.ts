import { Agent, request } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { type ClientCredentials, orchestratorTls } from '../../base/tls-client.ts';
import { problemToError } from '../../protocol/problem.ts';
import { type RenewResponse, renewResponseSchema } from '../../protocol/rest-registration.ts';
import { type ProxySettings, proxyAgentOptions } from './proxy.ts';

const TIMEOUT_MS = 30_000;
const LEAST_TIMEOUT_MS = 2000;

/** A third of what is left, where that is short, so that there is time for another try. */
const timeoutFor = (leftMs = Number.POSITIVE_INFINITY): number =>
  Math.min(TIMEOUT_MS, Math.max(LEAST_TIMEOUT_MS, leftMs / 3));

const MAX_BYTES = 256 * 1024;

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
  const body = JSON.stringify({ csr_base64: Buffer.from(options.csrPem).toString('base64') });
  const { status, text } = await post(options, body);
  const json = parse(text);
  if (status !== 200 && status !== 201) throw problemToError(status, json);
  return renewResponseSchema.parse(json);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function post(
  options: {
    websocketUrl: string;
    credentials: ClientCredentials;
    clock: Clock;
    proxy?: ProxySettings | undefined;
    leftMs?: number;
  },
  body: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    // A connection of its own: none that was made with an older certificate is used again.
    const agent = new Agent({
      keepAlive: false,
      maxCachedSessions: 0,
      ...orchestratorTls(options.credentials),
      ...proxyAgentOptions(renewUrl(options.websocketUrl), options.proxy),
    });
    const sent = request(renewUrl(options.websocketUrl), {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    const timeout = timeoutFor(options.leftMs);
    const deadline = options.clock.setTimer(timeout, () =>
      sent.destroy(new Error(`no answer within ${Math.round(timeout / 1000)} s`)),
    );
    const fail = (cause: Error) => {
      deadline.cancel();
      reject(cause);
    };
    sent.on('error', fail);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('error', fail);
      response.on('data', (piece: string) => {
        text += piece;
        if (text.length > MAX_BYTES) sent.destroy(new Error('the answer is too large'));
      });
      response.on('end', () => {
        deadline.cancel();
        resolve({ status: response.statusCode ?? 0, text });
      });
    });
    sent.end(body);
  });
}
