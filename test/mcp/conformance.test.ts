import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type McpAgent, startMcpAgent } from './support/agent.ts';
import { peerModules } from './support/cached.ts';
import { type FixtureStack, startFixtureStack } from './support/fixture-stack.ts';
import { type KeyProxy, startKeyProxy } from './support/key-proxy.ts';

let suite: string;
let folder: string;
beforeAll(async () => {
  suite = join(await peerModules(), '@modelcontextprotocol/conformance/dist/index.js');
  folder = await mkdtemp(join(tmpdir(), 'conformance-'));
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the official suite. Code and what it printed. */
function conformance(url: string, ...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [suite, 'server', '--url', url, ...args],
      { cwd: folder, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), text: stdout + stderr }),
    );
  });
}

describe('the HTTP stack with the suite’s own fixture', () => {
  let stack: FixtureStack;
  beforeAll(async () => {
    stack = await startFixtureStack();
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  it.each([
    ['2026-07-28', 37],
    ['2025-11-25', 30],
  ])('[mcp-1] meets every requirement of %s', async (revision, scenarios) => {
    const { code, text } = await conformance(stack.url, '--requirements', revision);
    expect(text).toMatch(/Total: \d+ passed/);
    expect(text.match(/^[✓✗] /gm)?.length ?? 0, text).toBeGreaterThanOrEqual(scenarios);
    expect(code, text).toBe(0);
  });
});

describe('the agent as it is', () => {
  let agent: McpAgent;
  let proxy: KeyProxy;
  let url: string;
  beforeAll(async () => {
    agent = await startMcpAgent();
    proxy = await startKeyProxy({ port: agent.port, apiKey: agent.home.apiKey });
    url = `http://127.0.0.1:${proxy.port}/mcp`;
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
  });

  it.each([
    ['tools-list', '2025-11-25'],
    ['server-initialize', '2025-11-25'],
    ['ping', '2025-11-25'],
    ['dns-rebinding-protection', '2025-11-25'],
    ['server-sse-multiple-streams', '2025-11-25'],
    ['tools-list', '2026-07-28'],
    ['http-header-validation', '2026-07-28'],
    ['dns-rebinding-protection', '2026-07-28'],
  ])('passes %s of %s', async (scenario, revision) => {
    const { code, text } = await conformance(url, '--scenario', scenario, '--spec-version', revision);
    expect(code, text).toBe(0);
  });

  it('shows no tool of the fixture', async () => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    const { tools } = await client.listTools();
    await client.close();
    expect(tools.map(({ name }) => name)).toContain('execute_shell_command');
    expect(tools.filter(({ name }) => name.startsWith('test_'))).toEqual([]);
  });
});
