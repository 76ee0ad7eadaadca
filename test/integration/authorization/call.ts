import { randomBytes } from 'node:crypto';
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

const upgradeTo = (subprotocol: string, origin: string) => ({
  connection: 'Upgrade',
  upgrade: 'websocket',
  origin,
  'sec-websocket-version': '13',
  'sec-websocket-key': randomBytes(16).toString('base64'),
  'sec-websocket-protocol': subprotocol,
});

/** One call whose answer may have no end: of an event stream the first bytes are enough. */
export async function callAs(
  target: { url: string; ca: string },
  who: Who,
  call: { method: string; path: string; body?: unknown; upgrade?: string },
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
      ...(call.upgrade === undefined ? {} : upgradeTo(call.upgrade, target.url)),
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...who.headers,
    },
  });
  request.end(payload);
  // As a response, where it was refused.
  request.once('upgrade', (response, socket) => {
    request.emit('response', response);
    response.push(null);
    socket.destroy();
  });
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
