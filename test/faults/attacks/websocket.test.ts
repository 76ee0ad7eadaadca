import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLOSE, SUBPROTOCOL } from '../../../protocol/version.ts';
import { type EnrolledAgent, enrollAgent } from '../../integration/support/fleet.ts';
import { size } from '../support/size.ts';
import { HOSTILE_VALUES, MIB, NO_JSON, planted } from './support/hostile-json.ts';
import { closeCode, openRawWebSocket, wsFrame } from './support/raw.ts';
import { type Stage, startStage } from './support/stage.ts';

let stage: Stage;
let rogue: EnrolledAgent;
beforeAll(async () => {
  stage = await startStage();
  rogue = await enrollAgent(stage.orchestrator);
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

const TEXT = 1;
const BINARY = 2;
const PING = 9;
/** How much one connection may cost (MiB), beside what the collector has not come to yet. */
const BOUND = 64;

/** A WebSocket of an agent with a genuine certificate, to write anything to. */
async function asAgent(headers: readonly string[] = []): Promise<{ socket: Socket; answer: string }> {
  const { cert, key } = rogue.machine.tls;
  return openRawWebSocket({ ...stage.target, tls: { cert, key } }, `/api/v1/agents/${rogue.vmId}/ws`, [
    `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
    ...headers,
  ]);
}

/** The code of the close frame, or undefined if the socket was cut without. */
function untilClosed(socket: Socket): Promise<number | undefined> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  return new Promise((resolve) => {
    const done = () => {
      socket.destroy();
      resolve(closeCode(Buffer.concat(pieces)));
    };
    if (socket.destroyed) done();
    socket.once('end', done);
    socket.once('close', done);
  });
}

/** Writes until all is out or the other end has had enough; never waits for a peer that takes nothing more. */
async function flood(socket: Socket, chunk: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times && !socket.destroyed; i++)
    if (!socket.write(chunk))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
}

describe('[attack-3] WebSocket frames of a rogue agent', () => {
  const bomb = deflateRawSync(Buffer.alloc(100 * MIB));
  const cases: readonly [string, () => Buffer, number | undefined][] = [
    ['a frame that claims 100 MiB', () => wsFrame(TEXT, Buffer.alloc(10), { length: 100 * MIB }), 1009],
    ['a frame that claims 2^62 bytes', () => wsFrame(BINARY, Buffer.alloc(0), { length: 2 ** 62 }), 1009],
    ['a message above 1 MiB', () => wsFrame(TEXT, Buffer.alloc(MIB + 1, 0x61)), 1009],
    ['a compressed frame that was not agreed on', () => wsFrame(TEXT, bomb, { rsv1: true }), 1002],
    ['a ping of 126 bytes', () => wsFrame(PING, Buffer.alloc(126)), 1002],
    ['a ping in pieces', () => wsFrame(PING, Buffer.alloc(1), { fin: false }), 1002],
    ['an opcode that does not exist', () => wsFrame(3, Buffer.alloc(1)), 1002],
    ['a continuation of nothing', () => wsFrame(0, Buffer.alloc(1)), 1002],
    ['text that is no UTF-8', () => wsFrame(TEXT, Buffer.from([0xc3, 0x28])), 1007],
    ['an unmasked frame', () => Buffer.from([0x81, 0x01, 0x61]), 1002],
    ['a close without a reason that exists', () => wsFrame(8, Buffer.from([0, 1])), 1002],
    [
      '100,000 fragments of one byte',
      () =>
        Buffer.concat([
          wsFrame(TEXT, Buffer.from('a'), { fin: false }),
          ...Array.from({ length: 100_000 }, () => wsFrame(0, Buffer.from('a'), { fin: false })),
        ]),
      1008,
    ],
    [
      '100,000 empty fragments',
      () =>
        Buffer.concat([
          wsFrame(TEXT, Buffer.alloc(0), { fin: false }),
          ...Array.from({ length: 100_000 }, () => wsFrame(0, Buffer.alloc(0), { fin: false })),
        ]),
      1008,
    ],
    [
      'a message that never ends',
      () =>
        Buffer.concat([
          wsFrame(BINARY, Buffer.alloc(60_000), { fin: false }),
          ...Array.from({ length: 40 }, () => wsFrame(0, Buffer.alloc(60_000), { fin: false })),
        ]),
      1009,
    ],
  ];

  it('close the connection with the code for them, and cost no memory', async () => {
    const grown = await stage.attack('broken frames', async () => {
      for (const [what, make, code] of cases) {
        const { socket, answer } = await asAgent([
          'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
        ]);
        expect(answer).toContain('101 Switching Protocols');
        expect(answer.toLowerCase()).not.toContain('permessage-deflate');
        const closed = untilClosed(socket);
        socket.write(make());
        expect([what, await closed]).toEqual([what, code]);
      }
    });
    expect(grown.orchestrator).toBeLessThan(BOUND);
  });

  it('are not kept for whoever sends them and never reads: pings', async () => {
    const grown = await stage.attack('pings that nobody reads the answers of', async () => {
      const { socket } = await asAgent();
      socket.pause();
      socket.setMaxListeners(0);
      const pings = Buffer.concat(Array.from({ length: 1000 }, () => wsFrame(PING, randomBytes(125))));
      await flood(socket, pings, size({ short: 200, full: 1000 }));
      await stage.expectHealthy();
      socket.destroy();
    });
    expect(grown.orchestrator).toBeLessThan(BOUND);
  });

  it('are not kept for whoever sends them and never reads: messages that must be answered', async () => {
    const grown = await stage.attack('messages that nobody reads the answers of', async () => {
      const fake = rogue.fake(stage.orchestrator);
      await fake.connect();
      fake.deafen();
      const message = JSON.stringify({ type: 'x'.repeat(64) });
      for (let i = 0; i < size({ short: 200_000, full: 1_000_000 }) && fake.isOpen; i++) {
        fake.sendRaw(message);
        if (i % 1000 === 0) await fake.flushed();
      }
      expect(fake.isOpen).toBe(false);
      await stage.expectHealthy();
      await fake.drop();
    });
    expect(grown.orchestrator).toBeLessThan(BOUND);
  });
});

describe('[attack-4] JSON of a rogue agent', () => {
  const heartbeat = (value: string) =>
    planted({ type: 'heartbeat', at: '2026-01-01T00:00:00.000Z', load: {}, more: '@' }, value);
  const hello = (value: string): string => {
    const fake = rogue.fake(stage.orchestrator);
    return planted(
      fake.hello({ tools: [{ name: 'x', description: '', input_schema: { a: '@' }, annotations: {} }] }),
      value,
    );
  };

  it('is refused or taken for what it is, and never costs more than its connection', async () => {
    await stage.attack('hostile JSON over the WebSocket', async () => {
      for (const [what, value] of [...HOSTILE_VALUES, ...NO_JSON]) {
        for (const make of [
          heartbeat,
          hello,
          (text: string) => text,
          (text: string) => `{"type":${text === '' ? '""' : text}}`,
        ]) {
          const fake = rogue.fake(stage.orchestrator);
          await fake.open();
          const closed = fake.closed();
          fake.sendRaw(make(value));
          // What was taken as a hello is answered; a second one is one too many.
          fake.sendRaw(JSON.stringify(fake.hello()));
          fake.sendRaw(JSON.stringify(fake.hello()));
          fake.sendRaw('the end');
          const { code } = await closed;
          expect([what, code === CLOSE.protocolError || code === 1009]).toEqual([what, true]);
        }
      }
    });
    expect(stage.orchestrator.log()).not.toMatch(/"level":(50|60)|RangeError|Maximum call stack/);
  });
});
