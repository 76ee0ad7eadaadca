import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { agentHealthSchema, agentInfoSchema } from '../../protocol/agent-http.ts';
import { problemSchema } from '../../protocol/problem.ts';
import { type AgentHome, createAgentHome } from '../fakes/agent-home.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import { type AgentRig, startAgentRig } from '../fakes/agent-rig.ts';
import type { FakeOrchestrator } from '../fakes/fake-orchestrator.ts';

let home: AgentHome;
let server: FakeOrchestrator;
let agent: AgentProcess;
let rig: AgentRig;
let port: number;

// An address of this machine that is not loopback stands for a peer from elsewhere.
const outside = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find((address) => !address.internal && address.family === 'IPv4')?.address;

beforeAll(async () => {
  rig = await startAgentRig({ config: 'server:\n  host: 0.0.0.0\n  port: 0\n' });
  ({ home, server, agent } = rig);
  port = await agent.port();
  await agent.logged((line) => line['condition'] === 'websocket' && line['ok'] === true);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

interface Got {
  status: number;
  type: string;
  text: string;
}

function ask(path: string, options: RequestOptions & { plain?: boolean } = {}): Promise<Got> {
  const { plain = false, ...rest } = options;
  const full: RequestOptions = {
    host: '127.0.0.1',
    port,
    path,
    agent: false,
    ...(plain ? {} : { ca: [home.ca.rootPem], servername: 'localhost' }),
    ...rest,
  };
  return new Promise((resolve, reject) => {
    const sent = (plain ? httpRequest : httpsRequest)(full, (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('the agent’s local HTTP', () => {
  it('tells its health on loopback without a credential, over plain HTTP and over TLS on one port', async () => {
    for (const plain of [true, false]) {
      const got = await ask('/health', { plain });
      expect(got.status).toBe(200);
      const health = agentHealthSchema.parse(JSON.parse(got.text));
      expect(health).toMatchObject({
        status: 'healthy',
        vm_id: home.vmId,
        agent_id: home.agentId,
        tenant_status: 'provisioned',
        security_status: 'fully_initialized',
        tools_enabled: expect.arrayContaining(['shell', 'file', 'system']),
        websocket_connected: true,
        orchestrator_url: `https://127.0.0.1:${server.port}`,
      });
    }
  });

  it('tells about itself at /info and that it lives at /livez', async () => {
    const info = agentInfoSchema.parse(JSON.parse((await ask('/info', { plain: true })).text));
    expect(info.port).toBe(port);
    expect(info.tools.map((tool) => tool.name)).toContain('execute_shell_command');
    expect(info.conditions.every((condition) => condition.ok)).toBe(true);
    expect((await ask('/livez', { plain: true })).status).toBe(200);
  });

  it('gives the CA to anyone, over TLS alone', async () => {
    const got = await ask('/api/v1/ca-certificate');
    expect(got.status).toBe(200);
    expect(got.text).toContain('BEGIN CERTIFICATE');
    expect((await ask('/api/v1/ca-certificate', { plain: true })).status).toBe(403);
  });

  it('answers everything else by a problem document', async () => {
    const missing = await ask('/nothing', { method: 'POST' });
    expect(missing.status).toBe(404);
    expect(missing.type).toBe('application/problem+json');
    expect(problemSchema.parse(JSON.parse(missing.text)).code).toBe('not_found');
    expect((await ask('/health', { method: 'POST' })).status).toBe(405);
    expect((await ask('/__proto__')).status).toBe(404);
  });

  it('refuses pages of other origins and names that are not its own', async () => {
    const page = await ask('/health', { plain: true, headers: { origin: 'https://evil.example' } });
    expect(page.status).toBe(403);
    const rebound = await ask('/health', { plain: true, headers: { host: 'evil.example' } });
    expect(problemSchema.parse(JSON.parse(rebound.text)).code).toBe('origin_refused');
    expect((await ask('/health', { plain: true, headers: { origin: 'http://localhost:1' } })).status).toBe(
      200,
    );
  });

  it('closes a connection that speaks neither TLS nor HTTP', async () => {
    const text = await new Promise<string>((resolve) => {
      let got = '';
      const socket = connect(port, '127.0.0.1', () => socket.write('SSH-2.0-x\r\n\r\n'));
      socket.on('data', (piece) => {
        got += piece;
      });
      socket.on('close', () => resolve(got));
    });
    expect(text).toMatch(/^HTTP\/1.1 400/);
  });

  it.each([
    ['an address that is too large', `GET /?q=${'x'.repeat(20_000)}`, 431, 'headers_too_large'],
    [
      'a body for which there is no taker',
      `POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n`,
      404,
      'not_found',
    ],
  ])(
    'lets a client with %s send all of it, and read why it is refused',
    async (_what, head, status, code) => {
      const socket = connectTls({
        socket: connect({ host: '127.0.0.1', port, allowHalfOpen: true }),
        ca: home.ca.rootPem,
        servername: 'localhost',
      });
      const errors: Error[] = [];
      let answer = '';
      const answered = new Promise<void>((resolve) =>
        socket
          .on('error', (error) => errors.push(error))
          .on('data', (piece) => {
            answer += piece;
            if (/\}\n$/.test(answer)) resolve();
          })
          .on('close', resolve),
      );
      socket.write(head);
      await answered;
      // It sends as one that looks at the answer when it has said all.
      for (let piece = 0; piece < 30; piece++)
        await new Promise((resolve) => socket.write('x'.repeat(100_000), resolve));
      socket.end();
      await new Promise((resolve) => socket.once('close', resolve));
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*"code":"${code}"`));
      expect(errors).toEqual([]);
    },
  );
});

describe.runIf(outside !== undefined)('a peer from elsewhere', () => {
  const far = () => ({ host: outside ?? '' });

  it('gets nothing by plain HTTP', async () => {
    expect((await ask('/health', { ...far(), plain: true })).status).toBe(403);
  });

  it('needs the API key or a client’s certificate for /health and /info', async () => {
    expect((await ask('/health', far())).status).toBe(401);
    expect((await ask('/info', { ...far(), headers: { 'x-api-key': 'wrong' } })).status).toBe(401);
    expect((await ask('/info', { ...far(), headers: { 'x-api-key': home.apiKey } })).status).toBe(200);
    const bearer = { authorization: `Bearer ${home.apiKey}` };
    expect((await ask('/health', { ...far(), headers: bearer })).status).toBe(200);
    const client = await home.ca.client('operator');
    const own = { cert: client.certificate, key: client.key };
    expect((await ask('/health', { ...far(), ...own })).status).toBe(200);
    expect((await ask('/livez', far())).status).toBe(200);
  });

  it('is refused with another agent’s certificate, even beside the right key', async () => {
    const other = await home.ca.agent(newId('agt', systemClock));
    const got = await ask('/info', {
      ...far(),
      cert: other.certificate,
      key: other.key,
      headers: { 'x-api-key': home.apiKey },
    });
    expect(got.status).toBe(403);
    expect(problemSchema.parse(JSON.parse(got.text)).code).toBe('client_certificate_required');
  });

  it('is refused with a client’s certificate of another organization, or one that has ended', async () => {
    const foreign = await home.ca.client('operator', { orgId: newId('org', systemClock) });
    const own = (issued: { certificate: string; key: string }) => ({
      cert: issued.certificate,
      key: issued.key,
    });
    expect((await ask('/info', { ...far(), ...own(foreign) })).status).toBe(403);
    const ended = await home.ca.client('operator', {
      notBefore: new Date(Date.now() - 20_000),
      notAfter: new Date(Date.now() - 10_000),
    });
    expect((await ask('/info', { ...far(), ...own(ended) })).status).toBe(403);
  });
});

describe('an agent without its orchestrator', () => {
  it('keeps trying and says that it is degraded', async () => {
    await using own = await createAgentHome();
    await own.setUrl('wss://127.0.0.1:1/api/v1/agents/vm-test-0a1b2c/ws');
    await using lonely = startAgent({ home: own.path });
    const lonelyPort = await lonely.port();
    await lonely.logged((line) => String(line['msg']).includes('nothing listens'));
    const got = await ask('/health', { plain: true, port: lonelyPort });
    expect(got.status).toBe(503);
    expect(agentHealthSchema.parse(JSON.parse(got.text))).toMatchObject({
      status: 'degraded',
      websocket_connected: false,
    });
    expect((await ask('/livez', { plain: true, port: lonelyPort })).status).toBe(200);
  });

  it('is unhealthy while it is not enrolled, and speaks no TLS', async () => {
    await using own = await createAgentHome();
    await using bare = startAgent({ home: `${own.path}/none`, env: { VM_AGENT_SERVER__PORT: '0' } });
    const barePort = await bare.port();
    const got = await ask('/health', { plain: true, port: barePort });
    expect(got.status).toBe(503);
    expect(JSON.parse(got.text)).toMatchObject({ status: 'unhealthy', tenant_status: 'unprovisioned' });
    await expect(ask('/health', { port: barePort })).rejects.toThrow();
  });

  it('says what to do when its port is taken', async () => {
    await using own = await createAgentHome();
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const address = taken.address();
    const number = typeof address === 'object' && address !== null ? address.port : 0;
    await own.writeConfig(`server:\n  host: 127.0.0.1\n  port: ${number}\n`);
    await using late = startAgent({ home: own.path });
    expect((await late.exited).code).toBe(1);
    expect(late.stderr()).toContain(`Another program listens on port ${number}`);
    taken.close();
  });
});
