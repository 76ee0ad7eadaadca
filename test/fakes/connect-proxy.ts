import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** An HTTP proxy that knows CONNECT, and one name that nobody else can resolve. */
export interface ConnectProxy {
  url: string;
  /** Targets of the tunnels that it opened, as they were asked for. */
  tunnels: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startConnectProxy(
  options: {
    /** `user:password` that it asks for. */
    credentials?: string;
  } = {},
): Promise<ConnectProxy> {
  const tunnels: string[] = [];
  const open = new Set<Duplex>();
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request, socket: Duplex) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    const wanted = options.credentials && `Basic ${Buffer.from(options.credentials).toString('base64')}`;
    if (wanted && request.headers['proxy-authorization'] !== wanted) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n');
      return;
    }
    const target = request.url ?? '';
    tunnels.push(target);
    const upstream = connect(Number(target.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    open.add(upstream);
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const userinfo = options.credentials === undefined ? '' : `${options.credentials}@`;
  return {
    url: `http://${userinfo}127.0.0.1:${port}`,
    tunnels,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
