import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { AGENT_SNI } from '../../../../protocol/version.ts';

/** Whom to talk to, below HTTP: what a well-behaved client library would refuse to send. */
export interface RawTarget {
  port: number;
  /** PEM; without it plain TCP is spoken. */
  ca?: string;
  servername?: string;
  tls?: ConnectionOptions;
}

export async function openRaw(target: RawTarget): Promise<Socket> {
  const socket =
    target.ca === undefined
      ? connect(target.port, '127.0.0.1')
      : tlsConnect({
          host: '127.0.0.1',
          port: target.port,
          ca: target.ca,
          servername: target.servername ?? AGENT_SNI,
          ...target.tls,
        });
  socket.on('error', () => undefined);
  await once(socket, target.ca === undefined ? 'connect' : 'secureConnect');
  return socket;
}

/** All that comes until the other end closes, or until `enough` holds. */
export async function readAll(socket: Socket, enough?: (text: string) => boolean): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    const done = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      if (enough?.(text)) done();
    });
    if (socket.destroyed) return done();
    socket.once('close', done);
    socket.once('end', done);
  });
}

/** Sends bytes and reads the answer to its end; a status of 0 means that the connection ended without one. */
export async function exchange(
  target: RawTarget,
  bytes: string | Buffer,
): Promise<{ status: number; text: string }> {
  const socket = await openRaw(target);
  const text = readAll(socket);
  socket.write(bytes, 'latin1');
  const got = await text;
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(got)?.[1] ?? 0), text: got };
}

/** A client's WebSocket frame, masked with zeros. */
export function wsFrame(
  opcode: number,
  payload: Uint8Array,
  options: { fin?: boolean; rsv1?: boolean; length?: number } = {},
): Buffer {
  const { fin = true, rsv1 = false, length = payload.length } = options;
  const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode;
  let head: Buffer;
  if (length < 126) head = Buffer.from([first, 0x80 | length]);
  else if (length < 65_536) head = Buffer.from([first, 0x80 | 126, length >> 8, length & 0xff]);
  else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** Becomes a WebSocket by hand; the socket is then the attacker's to write to. */
export async function openRawWebSocket(
  target: RawTarget,
  path: string,
  headers: readonly string[] = [],
): Promise<{ socket: Socket; answer: string }> {
  const socket = await openRaw(target);
  const answer = new Promise<string>((resolve) => {
    let text = '';
    const take = (piece: Buffer) => {
      text += piece.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.off('data', take);
      resolve(text);
    };
    socket.on('data', take);
    socket.once('close', () => resolve(text));
  });
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ...headers,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return { socket, answer: await answer };
}

/** The close code that a server's frames end with; undefined where it was cut without one. */
export function closeCode(bytes: Buffer): number | undefined {
  let at = 0;
  let code: number | undefined;
  while (at + 2 <= bytes.length) {
    const opcode = (bytes[at] ?? 0) & 0x0f;
    let length = (bytes[at + 1] ?? 0) & 0x7f;
    let head = 2;
    if (length === 126) {
      if (at + 4 > bytes.length) break;
      length = bytes.readUInt16BE(at + 2);
      head = 4;
    } else if (length === 127) {
      if (at + 10 > bytes.length) break;
      length = Number(bytes.readBigUInt64BE(at + 2));
      head = 10;
    }
    if (opcode === 8 && length >= 2 && at + head + 2 <= bytes.length) code = bytes.readUInt16BE(at + head);
    at += head + length;
  }
  return code;
}
