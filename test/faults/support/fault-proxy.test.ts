import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

let proxy: FaultProxy;
let client: Socket;
/** The far end of the connection, and what came there. */
let far: Socket;
let heard = '';
const server = createServer({ allowHalfOpen: true });

beforeEach(async () => {
  heard = '';
  await once(server.listen(0, '127.0.0.1'), 'listening');
  proxy = await startFaultProxy({ port: () => (server.address() as AddressInfo).port });
  const came = once(server, 'connection') as Promise<[Socket]>;
  client = connect({ port: proxy.port, host: '127.0.0.1' });
  [far] = await came;
  for (const socket of [client, far]) socket.on('error', () => undefined);
  far.on('data', (bytes) => {
    heard += bytes.toString();
  });
});
afterEach(async () => {
  client.destroy();
  far.destroy();
  await proxy[Symbol.asyncDispose]();
  server.close();
  await once(server, 'close');
});

/** Also of one that ends by an error. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

/** Resolves when the far end has heard as much as this. */
async function untilHeard(text: string): Promise<void> {
  while (heard.length < text.length) await once(far, 'data');
}
/** Something that goes the other way and comes back shows that what was sent before had its chance. */
async function roundTrip(): Promise<void> {
  const answered = once(client, 'data');
  far.write('!');
  await answered;
}

it('passes bytes both ways, and the end', async () => {
  client.write('hello');
  await untilHeard('hello');
  await roundTrip();
  const ended = once(far, 'end');
  client.end();
  await ended;
});

it('loses one direction and not the other, for as long as the connection lives', async () => {
  proxy.treat('up', { kind: 'drop' });
  client.write('lost');
  await roundTrip();
  proxy.heal();
  client.write('lost too');
  await roundTrip();
  expect(heard).toBe('');
});

it('holds a direction back and gives it all when it is whole again', async () => {
  proxy.treat('up', { kind: 'freeze' });
  client.write('later');
  await roundTrip();
  expect(heard).toBe('');
  proxy.heal();
  await untilHeard('later');
});

it('keeps the order of what is slowed down', async () => {
  proxy.treat('up', { kind: 'throttle', bytesPerSecond: 200 });
  client.write('0123456789');
  proxy.treat('up', { kind: 'delay', ms: 20 });
  client.write('abc');
  await untilHeard('0123456789abc');
  expect(heard).toBe('0123456789abc');
});

it('resets both ends', async () => {
  const both = [closed(client), closed(far)];
  proxy.reset();
  await Promise.all(both);
  expect(proxy.open).toBe(0);
});

it('lets the far end vanish without a word to who is connected', async () => {
  const gone = closed(far);
  proxy.vanish();
  await gone;
  expect(client.readyState).toBe('open');
});

it('takes new connections into a black hole', async () => {
  proxy.blackhole(true);
  const other = connect({ port: proxy.port, host: '127.0.0.1' });
  await once(other, 'connect');
  other.write('anybody?');
  proxy.blackhole(false);
  client.destroy();
  expect(proxy.attempts).toBe(2);
  other.destroy();
});
