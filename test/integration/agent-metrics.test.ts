import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentHome } from '../fakes/agent-home.ts';
import type { AgentProcess } from '../fakes/agent-process.ts';
import { type AgentRig, startAgentRig } from '../fakes/agent-rig.ts';
import type { FakeOrchestrator } from '../fakes/fake-orchestrator.ts';

let home: AgentHome;
let server: FakeOrchestrator;
let agent: AgentProcess;
let rig: AgentRig;
let port: number;

beforeAll(async () => {
  rig = await startAgentRig();
  ({ home, server, agent } = rig);
  port = await agent.port();
  await agent.logged((line) => line['condition'] === 'websocket' && line['ok'] === true);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

function scrape(more: { headers?: Record<string, string>; plain?: boolean } = {}) {
  const { headers = {}, plain = false } = more;
  const options = {
    host: '127.0.0.1',
    port,
    path: '/metrics',
    agent: false as const,
    headers,
    ...(plain ? {} : { ca: [home.ca.rootPem], servername: 'localhost' }),
  };
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const sent = (plain ? httpRequest : httpsRequest)(options, (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          text,
        }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}
const lost = () => agent.log.findIndex((line) => line['condition'] === 'websocket' && line['ok'] === false);
const key = () => ({ authorization: `Bearer ${home.apiKey}` });
const value = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length),
  );

describe('GET /metrics of an agent', () => {
  it('is shut without the key, also on loopback', async () => {
    expect((await scrape()).status).toBe(401);
    expect((await scrape({ headers: { 'x-api-key': 'wrong' } })).status).toBe(401);
    expect((await scrape({ headers: { ...key(), origin: 'https://evil.example' } })).status).toBe(403);
  });

  it('tells of the machine and of the agent itself', async () => {
    await server.run(home.signer.shell('exit 3'));
    await server.run(home.signer.shell('true'));
    const { status, type, text } = await scrape({ headers: key() });
    expect({ status, type }).toEqual({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' });
    expect(value(text, 'vm_agent_connected')).toBe(1);
    expect(value(text, 'vm_agent_reconnects_total')).toBe(0);
    expect(value(text, 'vm_agent_condition{condition="enrolled"}')).toBe(1);
    expect(value(text, 'vm_agent_resident_memory_bytes')).toBeGreaterThan(10_000_000);
    expect(value(text, 'vm_agent_certificate_not_after_seconds') * 1000).toBeGreaterThan(Date.now());
    const count = (result: string) =>
      value(text, `vm_agent_commands_total{tool="execute_shell_command",door="channel",result="${result}"}`);
    expect([count('failed'), count('succeeded')]).toEqual([1, 1]);
    expect(value(text, 'node_memory_MemTotal_bytes')).toBeGreaterThan(0);
    expect(text).toMatch(/^node_filesystem_size_bytes\{.*mountpoint="\/"\} \d+$/m);
    // Every line is a comment or a series with a number.
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(
        /^# (HELP|TYPE) \S+ .+$|^[a-zA-Z_:][\w:]*(\{\w+="([^"\\]|\\.)*"(,\w+="([^"\\]|\\.)*")*\})? -?[\d.e+-]+$/,
      );
  });

  it('is served on loopback without TLS too, to who shows the key', async () => {
    expect((await scrape({ plain: true })).status).toBe(401);
    expect((await scrape({ plain: true, headers: key() })).status).toBe(200);
  });

  it('counts a session after the first one as a reconnect', async () => {
    server.drop();
    await server.connected(2);
    await agent.logged(
      (line) => line['condition'] === 'websocket' && line['ok'] === true && agent.log.indexOf(line) > lost(),
    );
    const { text } = await scrape({ headers: key() });
    expect(value(text, 'vm_agent_reconnects_total')).toBe(1);
  });
});
