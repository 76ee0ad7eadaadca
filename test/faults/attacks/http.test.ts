import { once } from 'node:events';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull, size } from '../support/size.ts';
import { exchange, openRaw, type RawTarget, readAll } from './support/raw.ts';
import { type Stage, startStage } from './support/stage.ts';

let stage: Stage;
/** The same attacks go to the orchestrator's port and to the agent's local one, with TLS and without. */
const doors: Record<string, RawTarget & { path: string }> = {};
beforeAll(async () => {
  stage = await startStage();
  const port = await stage.machine.agent.port();
  doors['orchestrator'] = { ...stage.target, path: '/healthz' };
  doors['agent, TLS'] = { port, ca: stage.orchestrator.ca, servername: 'localhost', path: '/livez' };
  doors['agent, plain'] = { port, path: '/livez' };
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

const DOORS = ['orchestrator', 'agent, TLS', 'agent, plain'];
const at = (name: string): RawTarget & { path: string } => doors[name] as RawTarget & { path: string };
const host = 'Host: localhost';
const CLOSE = 'Connection: close';
const many = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i)).join('');

describe('[attack-1] bytes that no HTTP client sends', () => {
  it.each(DOORS)('are answered 4xx or cut at the door of the %s, which stays as it was', async (name) => {
    const { path, ...door } = at(name);
    const get = `GET ${path} HTTP/1.1\r\n${host}\r\n`;
    const post = `POST ${path} HTTP/1.1\r\n${host}\r\n${CLOSE}\r\n`;
    const refused: readonly [string, string][] = [
      ['2,001 headers', `${get}${many(2001, (i) => `a${i.toString(36)}:\r\n`)}${CLOSE}\r\n\r\n`],
      ['a header of 17 KiB', `${get}X: ${'a'.repeat(17 * 1024)}\r\n${CLOSE}\r\n\r\n`],
      ['17 KiB of headers', `${get}${many(30, (i) => `X-${i}: ${'a'.repeat(600)}\r\n`)}${CLOSE}\r\n\r\n`],
      ['a request line of 20 KiB', `GET /${'a'.repeat(20 * 1024)} HTTP/1.1\r\n${host}\r\n\r\n`],
      ['two Content-Lengths', `${post}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello`],
      ['a list of Content-Lengths', `${post}Content-Length: 0, 5\r\n\r\nhello`],
      ['length and chunks', `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`],
      ['chunks, then another coding', `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
      ['a coding with a space', `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
      ['a folded coding', `${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
      ['a negative length', `${post}Content-Length: -1\r\n\r\n`],
      ['a length with a sign', `${post}Content-Length: +5\r\n\r\nhello`],
      ['a chunk that is no number', `${post}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`],
      ['a bare LF before a smuggled header', `${get}X: a\nTransfer-Encoding: chunked\r\n\r\n`],
      ['a CR in a header', `${get}X: a\rY: b\r\n\r\n`],
      ['a NUL in a header', `${get}X: a\0b\r\n\r\n`],
      ['no Host', `GET ${path} HTTP/1.1\r\n${CLOSE}\r\n\r\n`],
      ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0'],
      ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
      ['no words', '\0\x01\x02\x03\r\n\r\n'],
    ];
    await stage.attack(`no HTTP, ${name}`, async () => {
      expect((await exchange(door, `${get}${CLOSE}\r\n\r\n`)).status).toBe(200);
      for (const [what, bytes] of refused) {
        const { status, text } = await exchange(door, bytes);
        // Where bytes were left unread, the end of the connection may overtake the answer.
        expect([what, status === 0 || (status >= 400 && status < 500), text.slice(0, 80)]).toEqual([
          what,
          true,
          expect.any(String),
        ]);
        // One answer: what follows the broken request is never read as another one.
        expect([what, (text.match(/HTTP\/1\.1/g)?.length ?? 0) <= 1]).toEqual([what, true]);
      }
    });
  });

  it.each(DOORS)('set no prototype by a header’s name at the door of the %s', async (name) => {
    const { path, ...door } = at(name);
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const headers = names.map((header) => `${header}: x\r\n`).join('');
    const { status } = await exchange(door, `GET ${path} HTTP/1.1\r\n${host}\r\n${headers}${CLOSE}\r\n\r\n`);
    expect(status).toBe(200);
    await stage.expectHealthy();
  });

  it.each(['orchestrator', 'agent, TLS'])(
    'break a handshake at the door of the %s and nothing else',
    async (name) => {
      const { port } = at(name);
      const hello = (body: Buffer) =>
        Buffer.concat([Buffer.from([0x16, 3, 1, body.length >> 8, body.length & 255]), body]);
      const client = (payload: Buffer) =>
        hello(
          Buffer.concat([
            Buffer.from([1, payload.length >> 16, (payload.length >> 8) & 255, payload.length & 255]),
            payload,
          ]),
        );
      const extension = (type: number, data: Buffer) =>
        Buffer.concat([Buffer.from([type >> 8, type & 255, data.length >> 8, data.length & 255]), data]);
      const full = (extensions: Buffer) =>
        client(
          Buffer.concat([
            Buffer.from([3, 3]),
            Buffer.alloc(32, 7),
            Buffer.from([0, 0, 2, 0x13, 0x01, 1, 0, extensions.length >> 8, extensions.length & 255]),
            extensions,
          ]),
        );
      const hellos: readonly Buffer[] = [
        hello(Buffer.alloc(0)),
        Buffer.from([0x16, 3, 1, 0xff, 0xff]),
        Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), Buffer.alloc(0x4000, 0x41)]),
        client(Buffer.alloc(0)),
        client(Buffer.from([3, 3])),
        client(Buffer.alloc(600, 0xff)),
        // No name at all, a name longer than its list, a name of 64 KiB in claim, one with NUL, an ALPN of nothing and one that lies.
        full(extension(0, Buffer.alloc(0))),
        full(extension(0, Buffer.from([0, 200, 0, 0, 3, 97, 98, 99]))),
        full(extension(0, Buffer.from([0, 6, 0, 0xff, 0xff, 97, 98, 99]))),
        full(extension(0, Buffer.from([0, 6, 0, 0, 3, 97, 0, 99]))),
        full(extension(16, Buffer.alloc(0))),
        full(extension(16, Buffer.from([0, 3, 200, 104, 50]))),
        full(Buffer.concat(Array.from({ length: 200 }, (_, i) => extension(0x8000 + i, Buffer.alloc(4))))),
        full(
          Buffer.concat([
            extension(0, Buffer.from([0, 4, 0, 0, 1, 97])),
            extension(0, Buffer.from([0, 4, 0, 0, 1, 98])),
          ]),
        ),
      ];
      await stage.attack(`broken handshakes, ${name}`, async () => {
        for (let round = 0; round < size({ short: 2, full: 50 }); round++)
          for (const bytes of hellos) {
            const socket = createConnection(port, '127.0.0.1');
            socket.on('error', () => undefined);
            await once(socket, 'connect');
            const end = readAll(socket);
            socket.end(bytes);
            await end;
          }
      });
    },
  );
});

describe('[attack-2] who sends slowly', () => {
  it('is cut, wherever he stops, at every door', async () => {
    const stopsAt = async (name: string): Promise<[string, number][]> => {
      const { path, ...door } = at(name);
      const head = `GET ${path} HTTP/1.1\r\n${host}\r\n`;
      const cutAfter = async (bytes: string, target: RawTarget = door) => {
        const began = performance.now();
        const socket = await openRaw(target);
        const end = readAll(socket);
        if (bytes !== '') socket.write(bytes);
        await end;
        return Math.round((performance.now() - began) / 1000);
      };
      const bare: RawTarget = { port: door.port };
      const body = `${head.replace(`GET ${path}`, 'POST /api/v1/agents/register')}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
      const stops: Record<string, Promise<number>> = {
        'before a byte': cutAfter('', bare),
        'in the handshake': cutAfter('\x16\x03\x01', bare),
        'before a request': cutAfter(''),
        'in the request line': cutAfter('GET /api'),
        'in the headers': cutAfter(head),
        'in a header': cutAfter(`${head}X-Slow: `),
        // A body may take a minute: its sender may be behind a slow line.
        ...(isFull && name === 'orchestrator' ? { 'in the body': cutAfter(body) } : {}),
      };
      return Promise.all(
        Object.entries(stops).map(
          async ([what, cut]): Promise<[string, number]> => [`${name} ${what}`, await cut],
        ),
      );
    };
    const cuts = (await Promise.all(DOORS.map(stopsAt))).flat();
    process.stdout.write(`cut: ${cuts.map(([what, s]) => `${what} ${s} s`).join(', ')}\n`);
    // That they end at all is the point: without limits in force they would outlast the test.
    expect(cuts.filter(([what, s]) => s > (what.endsWith('body') ? 75 : 40))).toEqual([]);
    await stage.expectHealthy();
  });
});
