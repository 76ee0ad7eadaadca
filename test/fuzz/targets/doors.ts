import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from '@modelcontextprotocol/server';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { createEndpoint } from '../../../agent/http/mcp/endpoint.ts';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { readCsr } from '../../../orchestrator/ca/sign-csr.ts';
import { startOf } from '../../../orchestrator/http/routes/events.ts';
import { sseEvent } from '../../../orchestrator/http/sse.ts';
import { readPeer } from '../../../orchestrator/registration/recover.ts';
import { AppError } from '../../../protocol/errors.ts';
import { parseJson } from '../../../protocol/json-text.ts';
import {
  closeFrame,
  decodePollBatch,
  encodePollBatch,
  pollGetQuerySchema,
  readClose,
} from '../../../protocol/poll.ts';
import {
  recoverRequestSchema,
  recoverResponseSchema,
  registerRequestSchema,
  renewRequestSchema,
} from '../../../protocol/rest-registration.ts';
import { type FuzzTarget, hold } from '../target.ts';

const json = (value: unknown): string => JSON.stringify(value);

/** JSON of a peer, or nothing where it is none. */
function bodyOf(input: Buffer): unknown {
  try {
    return parseJson(input.toString('utf8'));
  } catch (cause) {
    hold(cause instanceof SyntaxError, String(cause));
    return undefined;
  }
}

/** What a server says to these bytes; the server is made by the first of them and holds nothing up. */
function door(listener: () => RequestListener) {
  let address: Promise<string> | undefined;
  return async (path: string, init: RequestInit): Promise<Response> => {
    address ??= (async () => {
      const server = createServer(listener()).listen(0, '127.0.0.1');
      await once(server, 'listening');
      server.unref();
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    })();
    const answer = await fetch(`${await address}${path}`, init);
    await answer.arrayBuffer();
    return answer;
  };
}

const askMcp = door(() => {
  const endpoint = createEndpoint({
    clock: systemClock,
    log: silentLogger,
    factory: () => {
      const server = new Server({ name: 'x', version: '1' }, { capabilities: { tools: {} } });
      server.setRequestHandler('tools/list', () => ({ tools: [] }));
      server.setRequestHandler('tools/call', ({ params }) => ({
        content: [{ type: 'text', text: json(params) }],
      }));
      return server;
    },
  });
  return (request, response) =>
    void endpoint
      .handle(request, response, { kind: 'local', id: 'fuzz' } as never)
      .catch((cause: unknown) => {
        response.statusCode = 599;
        response.end(String(cause));
      });
});

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const rpc = (body: object) => json({ jsonrpc: '2.0', id: 1, ...body });

const PEM = '-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n';
const CSR = PEM.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST');

export const DOOR_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'mcp-body',
    seeds: [
      rpc({ method: 'tools/list', params: { _meta: meta } }),
      rpc({ method: 'tools/call', params: { name: 'a', arguments: { path: '/x' }, _meta: meta } }),
      rpc({
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
      }),
      `[${rpc({ method: 'ping' })}]`,
      json({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }),
    ],
    dictionary: ['"jsonrpc":', '"method":', '"params":', '"_meta":', '"id":', 'tools/call', 'initialize'],
    // A request over a socket each.
    share: 0.25,
    patienceMs: 2000,
    async run(input) {
      let method = 'x';
      try {
        method = String(JSON.parse(input.toString('utf8')).method).replace(/[^\x20-\x7e]/g, '');
      } catch {}
      const { status } = await askMcp('/mcp', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...(input.length % 2 === 0
            ? { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, 'mcp-name': 'a' }
            : {}),
        },
        body: new Uint8Array(input),
      });
      hold(status < 500, `answered ${status}`);
    },
  },
  {
    name: 'event-stream',
    seeds: ['hello', 'a\nb', 'a\r\ndata: x\n\nid: 7\n', '\u2028\u2029', '\ufeff:'],
    dictionary: ['data: ', 'id: ', 'event: ', 'retry: ', '\n\n', '\r', ':'],
    run(input) {
      const text = input.toString('utf8');
      const events: EventSourceMessage[] = [];
      const parser = createParser({ onEvent: (event) => events.push(event) });
      const written = sseEvent({ type: 'output', text }, input.length);
      // However it is cut on its way.
      parser.feed(written.slice(0, written.length >> 1));
      parser.feed(written.slice(written.length >> 1));
      hold(events.length === 1, `${events.length} events of one`);
      const [event] = events;
      hold(event?.id === String(input.length) && event.event === 'output', 'another event');
      hold(JSON.parse(event?.data ?? '').text === text, 'another text');
      // Of what a server writes, a client takes what is there, and never more.
      createParser({ onEvent: ({ data }) => hold(data.length <= text.length, 'more than was written') }).feed(
        text,
      );
    },
  },
  {
    name: 'last-event-id',
    seeds: ['0', '42', '9007199254740993', '-1', '1e3', ' 7 ', '0x10', ''],
    run(input) {
      const text = input.toString('latin1');
      try {
        const start = startOf(text, undefined);
        hold(Number.isSafeInteger(start) && start >= 0, `begins at ${start}`);
        hold(text === '' || text === String(start), `${json(text)} is taken for ${start}`);
      } catch (cause) {
        hold(cause instanceof AppError && cause.code === 'bad_request', String(cause));
      }
    },
  },
  {
    name: 'registration-bodies',
    seeds: [
      json({ certificate: PEM, csr: CSR, nonce: 'a.b', signature: 'AAAA' }),
      json({ csr_base64: 'AAAA' }),
      json({
        state: 'quarantined',
        vm_id: 'vm-web-1-a1b2c3',
        reason: 'clone',
        detail: 'wait',
        retry_after: 5,
        server_time: '2026-01-01T00:00:00.000Z',
      }),
      json({
        proof: { type: 'token', token: `prov_${'a1b2c3'.repeat(2)}_x` },
        vm_id: 'vm-web-1-a1b2c3',
        hostname: 'web-1',
        csr_base64: 'AAAA',
        api_key_hash: '0'.repeat(64),
        facts: { hostname: 'web-1', os: 'linux', arch: 'x64' },
        labels: { env: 'prod' },
      }),
    ],
    dictionary: [
      '"certificate":',
      '"csr":',
      '"nonce":',
      '"signature":',
      '"proof":',
      '"facts":',
      '-----BEGIN ',
    ],
    async run(input) {
      const body = bodyOf(input);
      const recover = recoverRequestSchema.safeParse(body);
      if (recover.success) {
        readPeer(recover.data.certificate);
        await readCsr(Buffer.from(recover.data.csr)).catch((cause: unknown) =>
          hold(cause instanceof AppError && cause.code === 'invalid_csr', String(cause)),
        );
      }
      for (const schema of [registerRequestSchema, renewRequestSchema, recoverResponseSchema]) {
        const parsed = schema.safeParse(body);
        if (!parsed.success) continue;
        const again = schema.safeParse(JSON.parse(JSON.stringify(parsed.data)));
        hold(again.success && json(again.data) === json(parsed.data), 'taken once and not again');
      }
    },
  },
  {
    name: 'poll-batch',
    seeds: [
      encodePollBatch({
        first: 1,
        taken: 0,
        frames: [
          { kind: 'text', bytes: Buffer.from('{"type":"ack","ack":1}') },
          { kind: 'binary', bytes: Buffer.from([1, 2, 3]) },
          closeFrame(4005, 'ended'),
        ],
      }),
      encodePollBatch({ first: 2 ** 53 - 1, taken: 7, frames: [] }),
      'link=0123456789abcdef0123456789abcdef&after=3&hold=15',
    ],
    run(input) {
      pollGetQuerySchema.safeParse(Object.fromEntries(new URLSearchParams(input.toString('latin1'))));
      const decoded = decodePollBatch(input);
      if (decoded.kind !== 'ok') return;
      for (const frame of decoded.batch.frames) if (frame.kind === 'close') readClose(frame);
      hold(
        Buffer.from(encodePollBatch(decoded.batch)).equals(input),
        'decoded, it is encoded as something else',
      );
    },
  },
];
