import { once } from 'node:events';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { Readable } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { type Clock, systemClock } from '../../../../base/clock.ts';
import { silentLogger } from '../../../../base/logger.ts';
import { defineRoute, type Route } from '../../../../orchestrator/http/route.ts';
import { createHttpServer } from '../../../../orchestrator/http/server.ts';
import { AppError } from '../../../../protocol/errors.ts';
import { AGENT_SNI } from '../../../../protocol/version.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

async function startServer(routes: readonly Route[], clock: Clock = systemClock) {
  const ca = await createTestCa({ orgId: 'org-1' });
  const credentials = async () => {
    const issued = await ca.orchestrator();
    return { cert: issued.certificate, key: issued.key, ca: [ca.rootPem] };
  };
  const refuse = async () => {
    throw new AppError('unauthenticated');
  };
  const server = createHttpServer({
    routes,
    credentials: await credentials(),
    authenticateUser: refuse,
    authenticateAgent: refuse,
    replays: { once: async (_request, act) => ({ ...(await act()), replayed: false }) },
    clock,
    log: silentLogger,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  async function get(path: string) {
    const request = httpsRequest({
      host: '127.0.0.1',
      port,
      path,
      ca: ca.rootPem,
      servername: AGENT_SNI,
      agent: false,
    });
    request.end();
    const [response] = await once(request, 'response');
    return { response, serial: (response.socket as TLSSocket).getPeerCertificate().serialNumber };
  }
  return {
    port,
    server: server.server,
    ca: ca.rootPem,
    get,
    renew: async () => server.useCredentials(await credentials()),
    close: (hard = new AbortController().signal) => server.close(hard),
  };
}

it('shows a renewed certificate to the next connection, without a restart', async () => {
  const server = await startServer([]);
  const before = await server.get('/');
  await server.renew();
  const after = await server.get('/');
  expect(after.serial).not.toBe(before.serial);
  before.response.destroy();
  after.response.destroy();
  await server.close();
});

it('lets nothing leave that the response’s schema does not name', async () => {
  const row = { name: 'a', password_hash: 'secret' };
  const route = defineRoute({
    method: 'GET',
    path: '/row',
    summary: 'a row',
    auth: 'none',
    response: z.object({ name: z.string() }),
    handler: () => row,
  });
  const server = await startServer([route]);
  const { response } = await server.get('/row');
  expect(
    JSON.parse(
      String(
        await response
          .setEncoding('utf8')
          .toArray()
          .then((parts: string[]) => parts.join('')),
      ),
    ),
  ).toEqual({ name: 'a' });
  await server.close();
});

it('goes on with an answer for as long as it takes', async () => {
  const body = new Readable({ read: () => undefined });
  const route = defineRoute({
    method: 'GET',
    path: '/file',
    summary: 'a large file over a slow link',
    auth: 'none',
    raw: { contentType: 'text/plain', description: 'a file' },
    handler: () => ({ headers: { 'content-type': 'text/plain' }, body }),
  });
  const clock = createFakeClock();
  const server = await startServer([route], clock);
  body.push('first');
  const { response } = await server.get('/file');
  await once(response, 'data');
  await clock.advance(60_000);
  body.push('last');
  body.push(null);
  expect(String((await response.toArray()).at(-1))).toContain('last');
  await server.close();
});

it('tells a handler that its client has gone', async () => {
  const gone = Promise.withResolvers<void>();
  const route = defineRoute({
    method: 'GET',
    path: '/stream',
    summary: 'a stream without an end',
    auth: 'none',
    raw: { contentType: 'text/plain', description: 'a stream' },
    handler({ closed }) {
      closed.addEventListener('abort', () => gone.resolve());
      const body = new Readable({ read: () => undefined });
      body.push('first');
      return { headers: { 'content-type': 'text/plain' }, body };
    },
  });
  const server = await startServer([route]);
  const { response } = await server.get('/stream');
  await once(response, 'data');
  response.destroy();
  await gone.promise;
  await server.close();
});

it('ends what does not end by itself when it is told to', async () => {
  const route = defineRoute({
    method: 'GET',
    path: '/stream',
    summary: 'a stream without an end',
    auth: 'none',
    raw: { contentType: 'text/plain', description: 'a stream' },
    handler() {
      const body = new Readable({ read: () => undefined });
      body.push('first');
      return { headers: { 'content-type': 'text/plain' }, body };
    },
  });
  const server = await startServer([route]);
  const { response } = await server.get('/stream');
  await once(response, 'data');
  const failed = once(response, 'error');
  const hard = new AbortController();
  const closed = server.close(hard.signal);
  hard.abort();
  await closed;
  expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
});

it('waits for nobody who is connected and asks for nothing', async () => {
  const server = await startServer([]);
  const at = { host: '127.0.0.1', port: server.port };
  const halfOpen = connectTcp(at);
  const silent = connectTls({ ...at, ca: server.ca, servername: AGENT_SNI });
  const connected = Promise.all([once(halfOpen, 'connect'), once(silent, 'secureConnect')]);
  const agent = new Agent({ keepAlive: true });
  const request = httpsRequest({ ...at, path: '/', ca: server.ca, servername: AGENT_SNI, agent });
  request.end();
  const [response] = await once(request, 'response');
  response.resume();
  const others = [halfOpen, silent].map((socket) => {
    socket.on('error', () => undefined).resume();
    return once(socket, 'close');
  });
  await Promise.all([connected, once(response, 'end')]);
  await server.close();
  await Promise.all(others);
  agent.destroy();
});

it('ends what was upgraded when it is told to', async () => {
  const server = await startServer([]);
  const upgraded = once(server.server, 'upgrade');
  const socket = connectTls({ host: '127.0.0.1', port: server.port, ca: server.ca, servername: AGENT_SNI });
  socket.on('error', () => undefined).resume();
  const gone = once(socket, 'close');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await upgraded;
  await server.close(AbortSignal.abort());
  await gone;
});

it('lets a client whose address is too large send all of it, and read why it is refused', async () => {
  const server = await startServer([]);
  const socket = connectTls({
    socket: connectTcp({ host: '127.0.0.1', port: server.port, allowHalfOpen: true }),
    ca: server.ca,
    servername: AGENT_SNI,
  });
  let answer = '';
  const errors: Error[] = [];
  socket
    .on('error', (error) => errors.push(error))
    .on('data', (piece) => {
      answer += piece;
    });
  socket.write(`GET /?q=${'x'.repeat(20_000)}`);
  await once(socket, 'end');
  // It sends as one that looks at the answer when it has said all.
  for (let piece = 0; piece < 3; piece++)
    await new Promise((resolve) => socket.write('x'.repeat(20_000), resolve));
  socket.end();
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  expect(errors).toEqual([]);
  await server.close();
});
