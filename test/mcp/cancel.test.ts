import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyClient, connectTs, TS_CLIENTS } from './clients/typescript.ts';
import { type McpAgent, startMcpAgent } from './support/agent.ts';
import { peerModules } from './support/cached.ts';
import { running, stubbornCommand, until } from './support/processes.ts';

let agent: McpAgent;
beforeAll(async () => {
  await peerModules();
  agent = await startMcpAgent();
}, 300_000);
afterAll(() => agent[Symbol.asyncDispose]());

const start = (client: AnyClient, text: string, signal?: AbortSignal) =>
  client
    .call('execute_shell_command', { command: text }, signal === undefined ? {} : { signal })
    .catch((error: unknown) => error);

describe.each(TS_CLIENTS)('%s', (kind) => {
  it('[mcp-2] leaves no process a second after a call was cancelled', async () => {
    const client = await connectTs(kind, agent.door('http'));
    const { text, mark, processes } = stubbornCommand();
    const abort = new AbortController();
    const call = start(client, text, abort.signal);
    expect(await until(() => running(mark).length === processes, 5000)).toBe(true);
    abort.abort();
    expect(await until(() => running(mark).length === 0, 1000)).toBe(true);
    await call;
    // The client works on.
    expect((await client.call('execute_shell_command', { command: 'echo on' })).isError).not.toBe(true);
    await client.close();
  });

  it('[mcp-2] leaves no process a second after its client was closed', async () => {
    const client = await connectTs(kind, agent.door('https-key'));
    const { text, mark, processes } = stubbornCommand();
    const call = start(client, text);
    expect(await until(() => running(mark).length === processes, 5000)).toBe(true);
    await client.close();
    expect(await until(() => running(mark).length === 0, 1000)).toBe(true);
    await call;
  });

  it('keeps a command in the background when its client goes', async () => {
    const client = await connectTs(kind, agent.door('http'));
    const { text, mark } = stubbornCommand();
    const got = await client.call('execute_shell_command', { command: text, background: true });
    const id = got.structuredContent?.['command_id'];
    expect(id).toEqual(expect.any(String));
    expect(await until(() => running(mark).length > 0, 5000)).toBe(true);
    await client.close();
    const second = await connectTs(kind, agent.door('http'));
    const { structuredContent } = await second.call('read_command_output', { id });
    expect(structuredContent).toMatchObject({ id, state: 'running' });
    await second.call('stop_command', { id });
    expect(await until(() => running(mark).length === 0, 8000)).toBe(true);
    await second.close();
  });
});

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
};

it('[mcp-2] leaves no process a second after a connection was cut', async () => {
  const { text, mark, processes } = stubbornCommand();
  const params = { name: 'execute_shell_command', arguments: { command: text }, _meta: META };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  const head = [
    'POST /mcp HTTP/1.1',
    'Host: localhost',
    `X-API-Key: ${agent.home.apiKey}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    'MCP-Protocol-Version: 2026-07-28',
    'Mcp-Method: tools/call',
    'Mcp-Name: execute_shell_command',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  const socket = connect(agent.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  expect(await until(() => running(mark).length === processes, 5000)).toBe(true);
  socket.resetAndDestroy();
  expect(await until(() => running(mark).length === 0, 1000)).toBe(true);
});
