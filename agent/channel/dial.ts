import { Agent } from 'node:https';
import { TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { type ClientCredentials, orchestratorTls } from '../../base/tls-client.ts';
import { MAX_FRAME_BYTES, SUBPROTOCOL } from '../../protocol/version.ts';
import { type ProxySettings, proxyAgentOptions } from '../identity/proxy.ts';

const HANDSHAKE_MS = 15_000;

/**
 * Begins a WebSocket connection to the orchestrator, by mutual TLS, with its role checked. No compression: it costs
 * four times the time and memory. Frames are masked with zeros: masks keep scripts in browsers from forging plain
 * HTTP towards proxies, and inside TLS they would only copy every byte of output once more.
 */
export function dial(url: string, credentials: ClientCredentials, proxy?: ProxySettings): WebSocket {
  const way = proxyAgentOptions(new URL(url.replace(/^wss:/, 'https:')), proxy);
  const webSocket = new WebSocket(url, SUBPROTOCOL, {
    ...orchestratorTls(credentials),
    ...(way.proxyEnv === undefined
      ? {}
      : { agent: new Agent({ keepAlive: false, maxCachedSessions: 0, ...way }) }),
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handshakeTimeout: HANDSHAKE_MS,
    followRedirects: false,
    generateMask: (mask: Buffer) => mask.fill(0),
    // What fails after this has reached something that holds an orchestrator's certificate.
    finishRequest(request) {
      request.once('socket', (socket) => {
        const secured = () => webSocket.emit('secured');
        // Its version is known from the beginning; what the peer ends its handshake with is not.
        if (socket instanceof TLSSocket && socket.getPeerFinished() === undefined)
          socket.once('secureConnect', secured);
        else secured();
      });
      request.end();
    },
  });
  return webSocket;
}
