import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The connections of a TLS listener that Node's own lists leave out, and for which its `close` waits: those in the
 * middle of their handshake, those that have not asked for anything yet, and those that were upgraded.
 */
export function trackSockets(server: Server): {
  /** Ends those that ask for nothing; whoever is being answered, or was upgraded, stays. */
  endIdle(): void;
  /** Ends all. */
  end(): void;
} {
  const open = new Set<Socket>();
  const busy = new WeakSet<Socket>();
  let ending = false;
  const keep = (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  };
  // The bare socket stands for its connection until the handshake is done, and then only ends with it.
  const handshaking = new Map<string, Socket>();
  const nameOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort}`;
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    handshaking.set(name, socket);
    socket.once('close', () => {
      if (handshaking.get(name) === socket) handshaking.delete(name);
    });
  });
  server.on('secureConnection', (socket: Socket) => {
    handshaking.delete(nameOf(socket));
    keep(socket);
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    busy.add(socket);
    response.once('close', () => {
      busy.delete(socket);
      if (ending) socket.destroySoon();
    });
  });
  server.on('upgrade', ({ socket }: IncomingMessage) => busy.add(socket));
  const endHandshakes = () => {
    for (const socket of handshaking.values()) socket.destroy();
  };
  return {
    endIdle() {
      ending = true;
      endHandshakes();
      for (const socket of open) if (!busy.has(socket)) socket.destroy();
    },
    end() {
      endHandshakes();
      for (const socket of open) socket.destroy();
    },
  };
}
