import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { problemSchema } from '../../protocol/problem.ts';
import { type McpAgent, startMcpAgent } from '../mcp/support/agent.ts';

// An address of this machine that is not loopback stands for a peer from elsewhere.
const outside = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find((address) => !address.internal && address.family === 'IPv4')?.address;

let agent: McpAgent;
beforeAll(async () => {
  agent = await startMcpAgent({ host: '0.0.0.0' });
});
afterAll(() => agent[Symbol.asyncDispose]());

interface Got {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}

const LIST = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/list',
  params: {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    },
  },
});

function post(options: RequestOptions & { plain?: boolean; to?: McpAgent } = {}): Promise<Got> {
  const { plain = false, headers, to = agent, ...rest } = options;
  const full: RequestOptions = {
    host: '127.0.0.1',
    port: to.port,
    path: '/mcp',
    method: 'POST',
    agent: false,
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/list',
      ...headers,
    },
    ...(plain ? {} : { ca: [to.home.ca.rootPem], servername: 'localhost' }),
    ...rest,
  };
  return new Promise((resolve, reject) => {
    const sent = (plain ? httpRequest : httpsRequest)(full, (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    sent.on('error', reject);
    sent.end(LIST);
  });
}

const codeOf = ({ text }: Got) => problemSchema.parse(JSON.parse(text)).code;
const withKey = (more: Record<string, string> = {}) => ({ 'X-API-Key': agent.home.apiKey, ...more });

describe('the doors of /mcp on this machine', () => {
  it('[mcp-4] open for the key, in either header, with and without TLS', async () => {
    for (const plain of [true, false])
      for (const headers of [withKey(), { Authorization: `Bearer ${agent.home.apiKey}` }])
        expect((await post({ plain, headers })).status).toBe(200);
  });

  it('[mcp-4] stay closed without a key, with a wrong one, and with one in the URL', async () => {
    for (const plain of [true, false]) {
      const path = `/mcp?api_key=${agent.home.apiKey}`;
      for (const got of [await post({ plain }), await post({ plain, path })]) {
        expect([got.status, codeOf(got)]).toEqual([401, 'unauthenticated']);
        expect(got.headers['www-authenticate']).toContain('Bearer');
      }
      const wrong = await post({ plain, headers: { 'X-API-Key': `${agent.home.apiKey}x` } });
      expect([wrong.status, codeOf(wrong)]).toEqual([401, 'unauthenticated']);
    }
  });

  it('[mcp-4] turn foreign hosts and origins away before any credential is looked at', async () => {
    for (const plain of [true, false])
      for (const foreign of [
        { Host: 'evil.example' },
        { Origin: 'https://evil.example' },
        { Origin: 'null' },
      ])
        for (const headers of [foreign, withKey(foreign)]) {
          const got = await post({ plain, headers });
          expect([got.status, codeOf(got)]).toEqual([403, 'origin_refused']);
        }
    expect((await post({ headers: withKey({ Origin: 'http://localhost:6274' }) })).status).toBe(200);
  });

  it('[mcp-4] open for a client certificate with a grant, and for no other', async () => {
    const { ca } = agent.home;
    const ana = await ca.client('ana');
    const shown = ({ certificate, key }: { certificate: string; key: string }) => ({
      cert: certificate,
      key,
    });
    expect((await post(shown(ana))).status).toBe(200);
    const stranger = await post(shown(await ca.client('bob')));
    expect([stranger.status, codeOf(stranger)]).toEqual([403, 'forbidden']);
    const elsewhere = await ca.client('ana', { orgId: newId('org', systemClock) });
    for (const certificate of [await ca.agent(newId('agt', systemClock)), elsewhere])
      for (const headers of [{}, withKey()]) {
        const got = await post({ ...shown(certificate), headers });
        expect([got.status, codeOf(got)]).toEqual([403, 'client_certificate_required']);
      }
  });

  it('takes no other method', async () => {
    const got = await post({ method: 'PUT', headers: withKey() });
    expect([got.status, got.headers['allow']]).toEqual([405, 'POST, GET, DELETE']);
  });

  it('refuses a body that is too large, and reads no more of it', async () => {
    const headers = withKey({ 'Content-Length': String(64 * 1024 * 1024) });
    expect((await post({ headers })).status).toBe(413);
  });
});

describe.runIf(outside !== undefined)('the doors of /mcp for peers from elsewhere', () => {
  it('[mcp-4] open for a granted certificate and the key together, and for neither alone', async () => {
    const ana = await agent.home.ca.client('ana');
    const from = { host: outside ?? '', servername: 'localhost' };
    const shown = { cert: ana.certificate, key: ana.key };
    expect((await post({ ...from, ...shown, headers: withKey() })).status).toBe(200);
    expect((await post({ ...from, ...shown })).status).toBe(401);
    const keyed = await post({ ...from, headers: withKey() });
    expect([keyed.status, codeOf(keyed)]).toEqual([403, 'client_certificate_required']);
    expect((await post({ host: outside ?? '', plain: true, headers: withKey() })).status).toBe(403);
  });

  it('[mcp-4] compare no more keys from an address that was wrong ten times in a minute', async () => {
    await using guessed = await startMcpAgent({ host: '0.0.0.0' });
    const from = { host: outside ?? '', servername: 'localhost', to: guessed };
    const wrong = { 'X-API-Key': 'wrong' };
    for (let i = 0; i < 10; i++) expect((await post({ ...from, headers: wrong })).status).toBe(401);
    for (const headers of [wrong, { 'X-API-Key': guessed.home.apiKey }]) {
      const got = await post({ ...from, headers });
      expect([got.status, codeOf(got)]).toEqual([429, 'rate_limited']);
      expect(Number(got.headers['retry-after'])).toBeGreaterThan(0);
    }
    // The machine's own programs are not locked out by a neighbour.
    expect((await post({ to: guessed, headers: { 'X-API-Key': guessed.home.apiKey } })).status).toBe(200);
  });
});

describe('server.ssl.plain_loopback: false', () => {
  it('leaves plain HTTP to the questions about health', async () => {
    await using strict = await startMcpAgent({ config: '  ssl: { plain_loopback: false }\n' });
    const headers = { 'X-API-Key': strict.home.apiKey };
    expect((await post({ to: strict, plain: true, headers })).status).toBe(403);
    expect((await post({ to: strict, headers })).status).toBe(200);
  });
});
