import { Agent, type RequestOptions, request } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { type ProxySettings, proxyAgentOptions } from '../agent/identity/proxy.ts';
import type { Clock } from '../base/clock.ts';

export interface Answer {
  status: number;
  /** The `Date` header. */
  date: string | undefined;
  body: Buffer;
}

export interface Ask {
  url: URL;
  tls: ConnectionOptions;
  clock: Clock;
  /** Sent as JSON by POST; without it this is a GET. */
  json?: unknown;
  method?: 'DELETE';
  proxy?: ProxySettings | undefined;
  timeoutMs?: number;
  maxBytes?: number;
}

const TIMEOUT_MS = 20_000;
const MAX_BYTES = 1024 * 1024;

/**
 * One request on a connection of its own, so that nothing verified earlier, or not verified, is used again.
 * Redirects are not followed: what is sent is meant for this address alone.
 */
export function ask(options: Ask): Promise<Answer> {
  const { url, tls, clock, json } = options;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const maxBytes = options.maxBytes ?? MAX_BYTES;
  const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json));
  const agent = new Agent({
    keepAlive: false,
    maxCachedSessions: 0,
    ...proxyAgentOptions(url, options.proxy),
  });
  const requestOptions: RequestOptions = {
    ...tls,
    agent,
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      accept: 'application/json, */*',
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
    },
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, requestOptions, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) sent.destroy(new Error(`the answer is larger than ${maxBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        deadline.cancel();
        resolve({
          status: response.statusCode ?? 0,
          date: response.headers.date,
          body: Buffer.concat(chunks),
        });
      });
    });
    const deadline = clock.setTimer(timeoutMs, () => {
      sent.destroy(Object.assign(new Error(`no answer within ${timeoutMs / 1000} s`), { code: 'ETIMEDOUT' }));
    });
    sent.on('error', (cause) => {
      deadline.cancel();
      reject(cause);
    });
    sent.end(body);
  });
}
