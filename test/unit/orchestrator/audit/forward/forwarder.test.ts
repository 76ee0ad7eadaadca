import { createHmac } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { text } from 'node:stream/consumers';
import { createServer as createTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../../base/logger.ts';
import { startForwarder } from '../../../../../orchestrator/audit/forward/forwarder.ts';
import type { Sink } from '../../../../../orchestrator/audit/forward/sink.ts';
import { syslogMessage, syslogSink } from '../../../../../orchestrator/audit/forward/syslog.ts';
import { webhookSink } from '../../../../../orchestrator/audit/forward/webhook.ts';
import { createTestCa } from '../../../../fakes/test-ca.ts';
import { ORG, startLogRig } from '../rig.ts';

type Rig = Awaited<ReturnType<typeof startLogRig>>;
const SECRET = 'a secret of the receiver';
const forward = (rig: Rig, sink: Sink) =>
  startForwarder({ sink, store: rig.store, clock: rig.clock, random: () => 1, log: silentLogger });

interface Delivery {
  id: string;
  seqs: number[];
  genuine: boolean;
}

/** A receiver of webhooks that answers as it is told. */
async function startReceiver(statusOf: (count: number) => number = () => 204) {
  const deliveries: Delivery[] = [];
  const waiters: (() => void)[] = [];
  const server = createHttp(async (request, response) => {
    const body = await text(request);
    const { headers } = request;
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const expected = `v1,${createHmac('sha256', SECRET).update(signed).digest('base64')}`;
    deliveries.push({
      id: String(headers['webhook-id']),
      seqs: (JSON.parse(body) as { events: { seq: number }[] }).events.map(({ seq }) => seq),
      genuine: headers['webhook-signature'] === expected,
    });
    const status = statusOf(deliveries.length);
    response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end();
    for (const wake of waiters.splice(0)) wake();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`),
    deliveries,
    async until(count: number) {
      while (deliveries.length < count) await new Promise<void>((resolve) => waiters.push(resolve));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function untilCursor(rig: Rig, seq: number): Promise<void> {
  for (;;) {
    const row = await rig.store.db.selectFrom('audit_cursors').selectAll().executeTakeFirst();
    if (Number(row?.seq ?? 0) >= seq) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('[audit-8] a webhook', () => {
  it('gets every sealed event, signed and in order, and nothing before it is sealed', async () => {
    await using rig = await startLogRig();
    await using receiver = await startReceiver();
    await rig.fill(450);
    await rig.add(1);
    const forwarder = forward(rig, webhookSink({ url: receiver.url, secret: SECRET, clock: rig.clock }));
    await untilCursor(rig, 450);
    await forwarder.close();
    expect(receiver.deliveries.map(({ id }) => id)).toEqual([
      `${ORG}-1-200`,
      `${ORG}-201-400`,
      `${ORG}-401-450`,
    ]);
    expect(receiver.deliveries.flatMap(({ seqs }) => seqs)).toEqual(
      Array.from({ length: 450 }, (_, i) => i + 1),
    );
    expect(receiver.deliveries.every(({ genuine }) => genuine)).toBe(true);
  });

  it('that is down is asked again with the same id, and after a restart it goes on where it was', async () => {
    await using rig = await startLogRig();
    await using receiver = await startReceiver((count) => (count === 2 || count === 3 ? 503 : 200));
    await rig.fill(300);
    const sink = () => webhookSink({ url: receiver.url, secret: SECRET, clock: rig.clock });
    const first = forward(rig, sink());
    await receiver.until(2);
    await rig.clock.untilArmed(1);
    await rig.clock.advance(2000);
    await receiver.until(3);
    await first.close();
    await rig.fill(1);
    const second = forward(rig, sink());
    await untilCursor(rig, 301);
    await second.close();
    const ids = receiver.deliveries.map(({ id }) => id);
    expect(ids).toEqual([`${ORG}-1-200`, `${ORG}-201-300`, `${ORG}-201-300`, `${ORG}-201-301`]);
  });

  it('cannot send us elsewhere: a redirect is a failure', async () => {
    await using rig = await startLogRig();
    await using receiver = await startReceiver(() => 302);
    const sink = webhookSink({ url: receiver.url, secret: SECRET, clock: rig.clock });
    await expect(
      sink.send({ log: ORG, id: 'x', events: [] }, new AbortController().signal),
    ).rejects.toThrow();
    expect(receiver.deliveries).toHaveLength(1);
  });
});

describe('[audit-8] syslog', () => {
  const event = {
    id: 1,
    seq: 1,
    at: '2026-01-01T00:00:00.000Z',
    action: 'session.login_failed',
    actor: { type: 'anonymous', id: 'anonymous', name: 'a"]\\\nb' },
    address: '192.0.2.1',
    target: 'a"]\\b',
    detail: {},
  };

  it('is RFC 5424, and no value leaves its place', () => {
    const line = syslogMessage(ORG, event, 'höst 1');
    expect(line).toMatch(/^<108>1 2026-01-01T00:00:00\.000Z h-st-1 vm-orchestrator - audit \[vmAgent@32473 /);
    expect(line).toContain(String.raw`target="a\"\]\\b"] {`);
    expect(line).not.toContain('\n');
    expect(syslogMessage(ORG, { ...event, action: 'token.create' }, 'x')).toMatch(/^<109>/);
  });

  it.each(['tcp', 'tls'] as const)('goes over %s, each message with its length', async (transport) => {
    await using rig = await startLogRig();
    const ca = await createTestCa({ orgId: ORG });
    const pair = await ca.orchestrator({ dns: ['localhost'] });
    const chunks: Buffer[] = [];
    const server = transport === 'tls' ? createTls({ cert: pair.certificate, key: pair.key }) : createTcp();
    const got = new Promise<string>((resolve) => {
      server.on(transport === 'tls' ? 'secureConnection' : 'connection', (socket) => {
        socket.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          const all = Buffer.concat(chunks).toString('utf8');
          if (all.includes('seq=\\"3\\"') || all.includes('seq="3"')) resolve(all);
        });
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const sink = syslogSink({
      transport,
      host: transport === 'tls' ? 'localhost' : '127.0.0.1',
      port,
      ca: ca.rootPem,
    });
    await rig.fill(3);
    const forwarder = forward(rig, sink);
    const all = await got;
    const length = Number(/^(\d+) /.exec(all)?.[1]);
    const first = all.slice(String(length).length + 1, String(length).length + 1 + length);
    expect(first).toMatch(/^<109>1 .* seq="1" .*\}$/);
    expect(all.match(/vmAgent@32473/g)).toHaveLength(3);
    await untilCursor(rig, 3);
    await forwarder.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it('goes over UDP, one message in each datagram', async () => {
    await using rig = await startLogRig();
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const messages: string[] = [];
    const got = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        messages.push(data.toString('utf8'));
        if (messages.length === 3) resolve();
      });
    });
    await rig.fill(3);
    const forwarder = forward(
      rig,
      syslogSink({ transport: 'udp', host: '127.0.0.1', port: socket.address().port }),
    );
    await got;
    expect(messages.map((message) => /seq="(\d)"/.exec(message)?.[1])).toEqual(['1', '2', '3']);
    await forwarder.close();
    socket.close();
  });
});
