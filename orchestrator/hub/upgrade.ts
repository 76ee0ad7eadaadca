import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Clock } from '../../base/clock.ts';
import { answerAndCut, refuseManyHeaders } from '../../base/http-problem.ts';
import type { Logger } from '../../base/logger.ts';
import { AppError } from '../../protocol/errors.ts';
import { MAX_FRAME_BYTES, SUBPROTOCOL } from '../../protocol/version.ts';
import type { ConnectedAgent } from './agent-session.ts';
import { Connection } from './connection.ts';
import type { Hub } from './hub.ts';

const PATH = /^\/api\/v1\/agents\/([^/?]{1,256})\/ws$/;

/** Another path that becomes a WebSocket. */
export interface UpgradeDoor {
  takes(path: string): boolean;
  /** @throws AppError when this request may not pass; it is answered in HTTP. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

export interface UpgradeOptions {
  doors?: readonly UpgradeDoor[];
  server: Server;
  hub: Hub;
  clock: Clock;
  log: Logger;
  /** Who is at the other end; @throws AppError when it may not be here. */
  authenticate(
    request: IncomingMessage,
    vmId: string,
  ): Promise<Omit<ConnectedAgent, 'address' | 'transport'> & { state: 'active' | 'quarantined' | 'pending' }>;
}

/** @throws AppError for a path with percent signs that mean nothing */
function pathOf(request: IncomingMessage): string {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  try {
    decodeURIComponent(path);
    return path;
  } catch (cause) {
    throw new AppError('not_found', { detail: 'The path is not valid.', cause });
  }
}

/** The agent that a request names, if it may become a WebSocket at all. */
function requestedAgent(request: IncomingMessage): string {
  const path = pathOf(request);
  const vmId = PATH.exec(path)?.[1];
  if (vmId === undefined)
    throw new AppError('not_found', { detail: `There is no WebSocket at ${path.slice(0, 200)}.` });
  // Browsers always send it; an agent never does.
  if (request.headers.origin !== undefined) throw new AppError('origin_refused');
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (!offered.includes(SUBPROTOCOL)) {
    throw new AppError('bad_request', {
      detail: `The subprotocol ${SUBPROTOCOL} must be offered.`,
      hint: `Send Sec-WebSocket-Protocol: ${SUBPROTOCOL}.`,
    });
  }
  return decodeURIComponent(vmId);
}

/** Lets agents in: `GET /api/v1/agents/{vm_id}/ws`. Other doors are for people; every other upgrade is refused. */
export function attachUpgrade(options: UpgradeOptions): { close(): void } {
  const { server, hub, clock, log } = options;
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Compression costs several times the time and memory of the rest.
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handleProtocols: () => SUBPROTOCOL,
  });
  // The library writes the refusal of a malformed handshake itself.
  webSockets.on('wsClientError', (error) => log.debug({ err: error }, 'malformed WebSocket handshake'));

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const onError = (error: Error) => log.debug({ err: error }, 'socket failed before its upgrade');
    socket.on('error', onError);
    try {
      refuseManyHeaders(request);
      const path = pathOf(request);
      const door = options.doors?.find(({ takes }) => takes(path));
      if (door !== undefined) {
        await door.upgrade(request, socket, head);
        socket.off('error', onError);
        return;
      }
      const vmId = requestedAgent(request);
      const { state, ...agent } = await options.authenticate(request, vmId);
      if (socket.destroyed) return;
      socket.off('error', onError);
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        const connection = new Connection({ webSocket, socket, clock });
        hub.accept(
          connection,
          { ...agent, address: request.socket.remoteAddress ?? null, transport: 'websocket' },
          state,
        );
      });
    } catch (cause) {
      if (!(cause instanceof AppError)) log.error({ err: cause }, 'an upgrade failed');
      answerAndCut(socket, cause);
    }
  }
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    void upgrade(request, socket, head);
  server.on('upgrade', onUpgrade);
  return {
    close() {
      server.off('upgrade', onUpgrade);
      webSockets.close();
    },
  };
}
