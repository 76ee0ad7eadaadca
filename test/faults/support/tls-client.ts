import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { orchestratorTls } from '../../../base/tls-client.ts';
import { SUBPROTOCOL } from '../../../protocol/version.ts';

export interface Exchange {
  /** The whole answer; empty when the handshake or the request was cut. */
  text: string;
  status: number | undefined;
  /** What the server offered for a later resumption. */
  tickets: Buffer[];
  resumed: boolean;
  error: string | undefined;
}

const head = (method: string, path: string, lines: readonly string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: agents.vm-agent.internal', ...lines, '', ''].join('\r\n');

/** The requests that an agent's certificate opens, as bytes: a raw client sees what each connection is told. */
export const REQUESTS = {
  upgrade: (vmId: string) =>
    head('GET', `/api/v1/agents/${vmId}/ws`, [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
    ]),
  renew: (vmId: string) => {
    const body = JSON.stringify({ csr_base64: 'AAAA' });
    return (
      head('POST', `/api/v1/agents/${vmId}/renew`, [
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
        'Connection: close',
      ]) + body
    );
  },
  status: (vmId: string) => head('GET', `/api/v1/agents/${vmId}/status`, ['Connection: close']),
} as const;

/** One connection of its own with these client credentials, one request, and what came of it. */
export function exchange(
  at: { url: string; ca: string },
  own: { cert?: string; key?: string },
  request: string,
  more: ConnectionOptions = {},
): Promise<Exchange> {
  const { hostname, port } = new URL(at.url);
  return new Promise((resolve) => {
    const tickets: Buffer[] = [];
    let text = '';
    let error: string | undefined;
    let resumed = false;
    const socket: TLSSocket = connect({
      host: hostname,
      port: Number(port),
      ...orchestratorTls({ ca: [at.ca], ...own }),
      ...more,
    });
    socket.on('session', (ticket) => tickets.push(ticket));
    socket.on('secureConnect', () => {
      resumed = socket.isSessionReused();
      socket.write(request);
    });
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      // An upgraded connection stays open; its head is all that is asked for.
      if (text.startsWith('HTTP/1.1 101') && text.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('error', (cause) => {
      error = cause.message;
    });
    socket.on('close', () => {
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
      resolve({ text, status: Number.isNaN(status) ? undefined : status, tickets, resumed, error });
    });
  });
}

/** The `code` of a problem document in an answer. */
export const problemOf = ({ text }: Exchange): string | undefined => /"code":"([a-z_]+)"/.exec(text)?.[1];
