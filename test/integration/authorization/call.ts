import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { AGENT_SNI } from '../../../protocol/version.ts';

export interface Reply {
  status: number;
  text: string;
  cookie: string | undefined;
}

export interface Who {
  headers?: Record<string, string>;
  /** A client certificate and its key. */
  tls?: { cert: string; key: string };
}

/** One call whose answer may have no end: of an event stream the first bytes are enough. */
export async function callAs(
  target: { url: string; ca: string },
  who: Who,
  call: { method: string; path: string; body?: unknown },
): Promise<Reply> {
  const payload = call.body === undefined ? undefined : JSON.stringify(call.body);
  const request = httpsRequest(new URL(call.path, target.url), {
    method: call.method,
    ca: target.ca,
    servername: AGENT_SNI,
    agent: false,
    ...who.tls,
    headers: {
      // As our own page sends it; programs do not mind.
      'sec-fetch-site': 'same-origin',
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...who.headers,
    },
  });
  request.end(payload);
  const [response] = await once(request, 'response');
  const endless = String(response.headers['content-type']).startsWith('text/event-stream');
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (endless) break;
  }
  request.destroy();
  return {
    status: response.statusCode,
    text,
    cookie: response.headers['set-cookie']?.[0]?.split(';')[0],
  };
}
