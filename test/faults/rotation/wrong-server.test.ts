// What an agent meets at the address of its orchestrator, and is not its orchestrator: it must say nothing to it, not
// even ask, and try again later. The listeners are real; the way in is the daemon's own.
import { once } from 'node:events';
import { createServer as createPlain } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { dial } from '../../../agent/channel/dial.ts';
import { requestRenewal } from '../../../agent/identity/renew-request.ts';
import { systemClock } from '../../../base/clock.ts';
import { tlsServerOptions } from '../../../base/tls-server.ts';
import { createTestCa } from '../../fakes/test-ca.ts';

const ca = await createTestCa({ orgId: 'org-1' });
const other = await createTestCa({ orgId: 'org-1' });
const own = await ca.agent('agt-1');
const credentials = { ca: [ca.rootPem], cert: own.certificate, key: own.key };

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

/** A server of these options; counts what gets as far as a request. */
async function listen(options: TlsOptions | undefined): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const server = options === undefined ? createPlain() : createServer(options);
  server.on('request', (_request, response) => {
    asked += 1;
    response.end('{}');
  });
  server.on('upgrade', (_request, socket) => {
    asked += 1;
    socket.destroy();
  });
  server.on('tlsClientError', () => undefined);
  open.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/agents/vm-x-000000/ws`;
  return { url, asked: () => asked };
}

const shown = (made: { certificate: string; key: string }): TlsOptions =>
  tlsServerOptions({ cert: made.certificate, key: made.key, ca: [ca.rootPem] }, { demand: 'per-request' });

/** The codes by which the channel and the renewal fail there. */
async function codesAt(url: string): Promise<(string | undefined)[]> {
  const [error] = (await once(dial(url, credentials), 'error')) as [NodeJS.ErrnoException];
  const renewal = await requestRenewal({
    websocketUrl: url,
    credentials,
    csrPem: 'x',
    clock: systemClock,
  }).then(
    () => 'answered',
    (cause: NodeJS.ErrnoException) => cause.code,
  );
  return [error.code, renewal];
}

const DAY = 86_400_000;
const WRONG: [string, string, () => Promise<TlsOptions | undefined>][] = [
  [
    'is of another CA',
    'SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_SIGNATURE_FAILURE',
    async () => shown(await other.orchestrator()),
  ],
  [
    'shows a certificate for another name',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    async () => shown(await ca.client('somebody')),
  ],
  ['shows an agent’s certificate', 'ERR_', async () => shown(await ca.agent('agt-2'))],
  [
    'shows a certificate that has ended',
    'CERT_HAS_EXPIRED',
    async () => shown(await ca.orchestrator({ notAfter: new Date(Date.now() - DAY / 24) })),
  ],
  [
    'shows a certificate that has not begun',
    'CERT_NOT_YET_VALID',
    async () => shown(await ca.orchestrator({ notBefore: new Date(Date.now() + DAY) })),
  ],
  [
    'speaks TLS 1.2 at most',
    'ERR_SSL_|EPROTO',
    async () => ({ ...shown(await ca.orchestrator()), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }),
  ],
  ['speaks no TLS', 'ERR_SSL_|EPROTO', async () => undefined],
];

describe('a server at the orchestrator’s address', () => {
  it.each(WRONG)('[cert-37] that %s is told nothing', async (_, code, options) => {
    const { url, asked } = await listen(await options());
    for (const seen of await codesAt(url)) expect(seen).toMatch(new RegExp(`^(?:${code})`));
    expect(asked()).toBe(0);
  });

  it('that is the orchestrator is asked', async () => {
    const { url, asked } = await listen(shown(await ca.orchestrator()));
    await codesAt(url);
    expect(asked()).toBe(2);
  });
});
