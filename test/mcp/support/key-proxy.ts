import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Hands requests on as they are, Host included, with an API key: for programs that cannot send one. */
export async function startKeyProxy(options: { port: number; apiKey: string }): Promise<KeyProxy> {
  const server: Server = createServer((request, response) => {
    const onward = forward(
      {
        host: '127.0.0.1',
        port: options.port,
        method: request.method,
        path: request.url,
        headers: { ...request.headers, 'x-api-key': options.apiKey },
        agent: false,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    response.once('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface KeyProxy extends AsyncDisposable {
  port: number;
}
