import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { type ClientCredentials, orchestratorTls } from '../../base/tls-client.ts';
import { MAX_POLL_BODY_BYTES, POLL_CONTENT_TYPE } from '../../protocol/poll.ts';
import { type ProxySettings, proxyAgentOptions } from '../identity/proxy.ts';

export interface PollRequest {
  method: 'GET' | 'POST';
  query: Readonly<Record<string, string | number>>;
  body?: Uint8Array;
  /** Without a whole answer after this long, the request has failed. */
  timeoutMs: number;
}

export interface PollAnswer {
  status: number;
  contentType: string | undefined;
  retryAfter: string | undefined;
  body: Buffer;
}

/** The network below a link of polls. */
export interface PollClient {
  /** @throws the network's error. */
  ask(request: PollRequest): Promise<PollAnswer>;
  /** Ends what is under way. */
  close(): void;
}

/** `wss://host/api/v1/agents/<vm_id>/ws` → `https://host/api/v1/agents/<vm_id>/poll`. */
export function pollUrl(websocketUrl: string): URL {
  const url = new URL(websocketUrl);
  url.protocol = 'https:';
  url.pathname = url.pathname.replace(/\/ws\/?$/, '/poll');
  url.search = '';
  return url;
}

/** Polls by HTTPS, over connections that are used again. */
export function pollClient(options: {
  websocketUrl: string;
  /** Asked for each request: a renewed certificate counts from the next one on, and ends the one before it. */
  credentials(): ClientCredentials;
  proxy?: ProxySettings | undefined;
  clock: Clock;
}): PollClient {
  const base = pollUrl(options.websocketUrl);
  let held: { agent: Agent; cert: string | undefined } | undefined;

  function connections(): Agent {
    const credentials = options.credentials();
    if (held !== undefined && held.cert === credentials.cert) return held.agent;
    // What is under way on the old connections ends by itself.
    held = {
      cert: credentials.cert,
      agent: new Agent({
        keepAlive: true,
        maxCachedSessions: 0,
        ...orchestratorTls(credentials),
        ...proxyAgentOptions(base, options.proxy),
      }),
    };
    agents.add(held.agent);
    return held.agent;
  }
  const agents = new Set<Agent>();

  return {
    ask({ method, query, body, timeoutMs }) {
      const url = new URL(base);
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
      return new Promise((resolve, reject) => {
        const sent = request(url, {
          agent: connections(),
          method,
          headers:
            body === undefined
              ? { 'cache-control': 'no-cache' }
              : { 'content-type': POLL_CONTENT_TYPE, 'content-length': body.length },
        });
        const deadline = options.clock.setTimer(timeoutMs, () =>
          sent.destroy(Object.assign(new Error('no answer came in time'), { code: 'ETIMEDOUT' })),
        );
        sent.once('close', () => deadline.cancel());
        sent.once('error', reject);
        sent.once('response', (response) => read(response).then(resolve, reject));
        sent.end(body);
      });
    },
    close() {
      for (const agent of agents) agent.destroy();
      agents.clear();
      held = undefined;
    },
  };
}

async function read(response: IncomingMessage): Promise<PollAnswer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_POLL_BODY_BYTES) throw new Error('the answer is too large');
    pieces.push(piece);
  }
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers['content-type'],
    retryAfter: response.headers['retry-after'],
    body: Buffer.concat(pieces),
  };
}
