import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { Connection } from '../../../../agent/channel/connection.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

class FakeSocket extends EventEmitter {
  pings = 0;
  ping() {
    this.pings += 1;
  }
  send() {}
  close(code: number, reason: string) {
    this.emit('close', code, Buffer.from(reason));
  }
  terminate() {
    this.emit('close', 1006, Buffer.alloc(0));
  }
}

function open(options: { echoFirst?: boolean } = {}) {
  const greeted: Connection[] = [];
  const clock = createFakeClock();
  const socket = new FakeSocket();
  const connection = new Connection({
    socket: socket as unknown as WebSocket,
    clock,
    events: { onOpen: (self) => greeted.push(self), onText: () => undefined },
    ...options,
  });
  return { clock, socket, connection, greeted };
}

describe('a connection', () => {
  it('pings every ten seconds and is dead after 25 s without a byte', async () => {
    const { clock, socket, connection } = open();
    socket.emit('open');
    connection.welcomed();
    await clock.advance(20_000);
    expect(socket.pings).toBe(2);
    expect(connection.state).toBe('open');
    await clock.advance(10_000);
    expect(connection.state).toBe('closed');
    expect((await connection.closed).error?.message).toContain('nothing was heard');
  });

  it('is dead within 30 s of the last byte, whenever that came', async () => {
    const { clock, socket, connection } = open();
    const raw = { bytesRead: 0 };
    socket.emit('upgrade', { socket: raw });
    socket.emit('open');
    connection.welcomed();
    await clock.advance(5001);
    raw.bytesRead += 1;
    await clock.advance(30_000);
    expect(connection.state).toBe('closed');
  });

  it('lives as long as anything comes, be it bytes of a frame that is not whole yet', async () => {
    const { clock, socket, connection } = open();
    const raw = { bytesRead: 0 };
    socket.emit('upgrade', { socket: raw });
    socket.emit('open');
    connection.welcomed();
    for (let i = 0; i < 5; i++) {
      await clock.advance(20_000);
      if (i % 2 === 0) raw.bytesRead += 1;
      else socket.emit('pong');
    }
    expect(connection.state).toBe('open');
  });

  it('gives up a server that accepts and then sends no welcome', async () => {
    const { clock, socket, connection } = open();
    socket.emit('open');
    await clock.advance(15_000);
    expect((await connection.closed).error?.message).toContain('no welcome');
    expect(clock.armed()).toEqual([]);
  });

  it('[poll-3] says nothing on a way that is tried before a ping has come back', () => {
    const { socket, greeted } = open({ echoFirst: true });
    socket.emit('open');
    expect([socket.pings, greeted.length]).toEqual([1, 0]);
    socket.emit('pong');
    socket.emit('pong');
    expect(greeted).toHaveLength(1);
  });

  it('tells how far it came, and whose answer refused it', async () => {
    const page = open();
    page.socket.emit('secured');
    page.socket.emit('refused', { status: 403, text: '<html>', retryAfter: '7' });
    expect(await page.connection.closed).toMatchObject({
      reached: 'tls',
      retryAfterS: 7,
      refusal: { status: 403, ours: false },
    });
    const problem = open();
    const body = {
      type: 'urn:vm-agent:error:link_unknown',
      title: 'Gone',
      status: 410,
      code: 'link_unknown',
    };
    problem.socket.emit('refused', { status: 410, text: JSON.stringify(body), retryAfter: undefined });
    expect(await problem.connection.closed).toMatchObject({
      reached: undefined,
      retryAfterS: undefined,
      refusal: { ours: true, error: { code: 'link_unknown' } },
    });
    const cut = open();
    cut.socket.emit('open');
    cut.socket.terminate();
    expect((await cut.connection.closed).reached).toBe('upgrade');
  });
});
