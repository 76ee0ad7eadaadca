import { Agent, request } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { type ClientCredentials, orchestratorTls } from '../../base/tls-client.ts';
import { problemToError } from '../../protocol/problem.ts';
import { type ProxySettings, proxyAgentOptions } from './proxy.ts';

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 256 * 1024;

/**
 * One call of the orchestrator over a connection of its own, its certificate and role checked. Resolves with what the
 * JSON of a good answer holds. @throws AppError as the orchestrator says, or the network's error.
 */
export async function callJson(options: {
  method: 'GET' | 'POST';
  url: URL;
  body?: unknown;
  credentials: ClientCredentials;
  clock: Clock;
  proxy?: ProxySettings | undefined;
  timeoutMs?: number;
}): Promise<unknown> {
  const { status, text } = await send(options);
  const json = parse(text);
  if (status < 200 || status > 299) throw problemToError(status, json);
  return json;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function send(options: Parameters<typeof callJson>[0]): Promise<{ status: number; text: string }> {
  const { method, url, body, clock, timeoutMs = TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    // A connection of its own: none that was made with an older certificate is used again.
    const agent = new Agent({
      keepAlive: false,
      maxCachedSessions: 0,
      ...orchestratorTls(options.credentials),
      ...proxyAgentOptions(url, options.proxy),
    });
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const sent = request(url, {
      agent,
      method,
      headers:
        payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
    });
    const deadline = clock.setTimer(timeoutMs, () =>
      sent.destroy(new Error(`no answer within ${Math.round(timeoutMs / 1000)} s`)),
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
    sent.end(payload);
  });
}
