import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { Connection } from '../../../../agent/channel/connection.ts';
import { dial } from '../../../../agent/channel/dial.ts';
import { systemClock } from '../../../../base/clock.ts';
import { freePort } from '../../../fakes/free-port.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

const ca = await createTestCa({ orgId: 'org-dial' });

/** How far a connection to this port came before it failed. */
async function reachedAt(port: number) {
  const { certificate: cert, key } = await ca.agent('agent-dial');
  const connection = new Connection({
    socket: dial(`wss://127.0.0.1:${port}/ws`, { ca: [ca.rootPem], cert, key }),
    transport: 'websocket',
    clock: systemClock,
    events: { onOpen: () => undefined, onText: () => undefined },
  });
  return (await connection.closed).reached;
}

async function reachedOf(server: Server) {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    return await reachedAt((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

const cutAfterFirstBytes = (socket: Socket) =>
  socket.on('error', () => undefined).once('data', () => socket.destroy());

describe('a connection that fails', () => {
  it('has reached nothing where nobody listens', async () => {
    expect(await reachedAt(await freePort())).toBeUndefined();
  });

  it('has reached nothing where the connection is cut before the handshake of TLS is done', async () => {
    expect(await reachedOf(createServer(cutAfterFirstBytes))).toBeUndefined();
  });

  it('has reached TLS where it is cut after the handshake, before the upgrade is answered', async () => {
    const { certificate: cert, key } = await ca.orchestrator();
    const server = createTlsServer({ cert, key }, (socket) => cutAfterFirstBytes(socket));
    expect(await reachedOf(server)).toBe('tls');
  });
});
