import { once } from 'node:events';
import type { IncomingMessage, RequestOptions, ServerResponse } from 'node:http';
import { createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type ClientCredentials, orchestratorTls } from '../../base/tls-client.ts';

/** What it does with a request for a WebSocket. */
export type WebSockets =
  | 'pass'
  /** Answers by a page of its own. */
  | 'refuse'
  /** Takes the Upgrade header out, and passes on what is left. */
  | 'strip'
  /** Lets it become one, and cuts it at once. */
  | 'cut'
  /** Lets it become one, and passes nothing. */
  | 'swallow'
  /** Never answers. */
  | 'ignore';

/**
 * A box on the way that looks into TLS: it shows a certificate of the orchestrator's own CA, and goes on with the agent's.
 * Nobody has both but a test; what the programs see of it is what they see of a proxy that an operator put there.
 */
export interface Middlebox extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  url: string;
  webSockets: WebSockets;
  /** Plain requests too are refused by a page. */
  refuseAll: boolean;
  /** Nothing passes in either direction; connections stay. */
  dead: boolean;
  /** Of so many answers to come nothing is passed on: the orchestrator has acted, and the agent does not learn it. */
  loseAnswers: number;
  /** An answer that takes longer is replaced by 504 (ms). */
  patienceMs: number | undefined;
  /** What passed, in order: `GET 200`, `POST 410`, `upgrade`. */
  seen: string[];
  /** Resolves when something that was seen from now on matches. */
  next(what: RegExp): Promise<string>;
  /** Ends all connections. */
  cutAll(): void;
}

export async function startMiddlebox(options: {
  /** Of the orchestrator behind it. */
  target: () => string;
  server: { cert: string; key: string; ca: readonly string[] };
  /** How it shows itself to the orchestrator. */
  client: () => ClientCredentials;
}): Promise<Middlebox> {
  const open = new Set<Duplex>();
  const watchers = new Set<(what: string) => void>();
  const note = (what: string) => {
    box.seen.push(what);
    for (const watch of [...watchers]) watch(what);
  };
  const server = createServer({ ...options.server, ca: [...options.server.ca], requestCert: true });
  server.on('secureConnection', (socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
  });
  const box: Middlebox = {
    url: '',
    webSockets: 'pass',
    refuseAll: false,
    dead: false,
    loseAnswers: 0,
    patienceMs: undefined,
    seen: [],
    next: (what) =>
      new Promise((resolve) => {
        const watch = (seen: string) => {
          if (!what.test(seen)) return;
          watchers.delete(watch);
          resolve(seen);
        };
        watchers.add(watch);
      }),
    cutAll() {
      for (const socket of open) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      box.cutAll();
      await once(server, 'close');
    },
  };

  const onward = (incoming: IncomingMessage, more: RequestOptions = {}) =>
    httpsRequest(new URL(incoming.url ?? '/', options.target()), {
      ...orchestratorTls(options.client()),
      agent: false,
      method: incoming.method,
      headers: incoming.headers,
      ...more,
    });
  const page = '<html><body>This proxy does not allow it.</body></html>';

  /** Takes whole requests, and passes whole answers on. */
  async function forward(incoming: IncomingMessage, response: ServerResponse, headers = incoming.headers) {
    const name = `${incoming.method}`;
    if (box.refuseAll) {
      note(`${name} refused`);
      response.writeHead(403, { 'content-type': 'text/html' }).end(page);
      return;
    }
    const body = await buffer(incoming);
    if (box.dead) return;
    const sent = onward(incoming, { headers });
    response.once('close', () => sent.destroy());
    let late: NodeJS.Timeout | undefined;
    if (box.patienceMs !== undefined)
      late = setTimeout(() => {
        note(`${name} 504`);
        response.writeHead(504, { 'content-type': 'text/html' }).end(page);
        sent.destroy();
      }, box.patienceMs);
    sent.on('error', () => {
      if (!response.headersSent && !box.dead)
        response.writeHead(502, { 'content-type': 'text/html' }).end(page);
    });
    sent.on('response', async (answer) => {
      const whole = await buffer(answer).catch(() => undefined);
      clearTimeout(late);
      if (whole === undefined || box.dead || response.headersSent) return;
      if (box.loseAnswers > 0) {
        box.loseAnswers -= 1;
        note(`${name} lost`);
        incoming.socket.destroy();
        return;
      }
      note(`${name} ${answer.statusCode}`);
      const { 'transfer-encoding': _, ...kept } = answer.headers;
      response.writeHead(answer.statusCode ?? 500, { ...kept, 'content-length': whole.length }).end(whole);
    });
    sent.end(body);
  }

  server.on(
    'request',
    (incoming, response) => void forward(incoming, response).catch(() => response.destroy()),
  );
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
    note('upgrade');
    socket.on('error', () => socket.destroy());
    if (box.dead || box.webSockets === 'ignore') return;
    if (box.refuseAll || box.webSockets === 'refuse') {
      socket.end(
        `HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\n\r\n${page}`,
      );
      return;
    }
    const strip = box.webSockets === 'strip';
    const { upgrade: _u, connection: _c, ...rest } = incoming.headers;
    const sent = onward(incoming, strip ? { headers: rest } : {});
    socket.once('close', () => sent.destroy());
    sent.on('error', () => socket.destroy());
    sent.on('response', async (answer) => {
      const whole = await buffer(answer);
      socket.end(
        `HTTP/1.1 ${answer.statusCode} -\r\nContent-Type: ${answer.headers['content-type']}\r\nContent-Length: ${whole.length}\r\n\r\n${whole}`,
      );
    });
    sent.on('upgrade', (answer, upstream) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      upstream.on('error', () => socket.destroy());
      upstream.once('close', () => socket.destroy());
      socket.once('close', () => upstream.destroy());
      if (box.webSockets === 'cut') socket.end();
      else if (box.webSockets === 'pass') {
        upstream.on('data', (piece) => !box.dead && socket.write(piece));
        socket.on('data', (piece) => !box.dead && upstream.write(piece));
      }
    });
    sent.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  box.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return box;
}
