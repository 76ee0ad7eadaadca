import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectTs } from './clients/typescript.ts';
import { type McpAgent, startMcpAgent } from './support/agent.ts';
import { peerModules } from './support/cached.ts';

let agent: McpAgent;
beforeAll(async () => {
  await peerModules();
  agent = await startMcpAgent();
}, 300_000);
afterAll(() => agent[Symbol.asyncDispose]());

describe('answers', () => {
  it('carry head and tail of a long output, and a handle by which its own caller reads the whole', async () => {
    const client = await connectTs('TypeScript v2', agent.door('http'));
    const other = await connectTs('TypeScript v2', agent.door('https-certificate'));
    const got = await client.call('execute_shell_command', { command: 'seq 100000' });
    const { stdout, stdout_bytes, command_id: id } = got.structuredContent ?? {};
    expect(stdout).toMatch(/^1\n2\n[\s\S]*bytes left out[\s\S]*\n99999\n100000\n$/);
    expect(JSON.stringify(got).length).toBeLessThan(64 * 1024);
    const middle = await client.call('read_command_output', { id, offset: 300_000, limit: 100 });
    expect(middle.structuredContent).toMatchObject({ state: 'succeeded', exit_code: 0, size: stdout_bytes });
    expect(middle.structuredContent?.['text']).toMatch(/^\d*\n(\d{5}\n)+/);
    const foreign = await other.call('read_command_output', { id });
    expect(foreign).toMatchObject({ isError: true, _meta: { 'io.vm-agent/error': { code: 'not_found' } } });
    await client.close();
    await other.close();
  });

  it('say what is wrong with arguments, as a result', async () => {
    const client = await connectTs('TypeScript v2', agent.door('http'));
    const got = await client.call('execute_shell_command', { command: '', colour: 'red' });
    expect(got).toMatchObject({ isError: true, _meta: { 'io.vm-agent/error': { code: 'bad_request' } } });
    expect(got.content[0]?.text).toContain('colour');
    await client.close();
  });

  it('call a tool that is not there an error of the protocol', async () => {
    for (const kind of ['TypeScript v1', 'TypeScript v2'] as const) {
      const client = await connectTs(kind, agent.door('http'));
      await expect(client.call('make_coffee', {})).rejects.toMatchObject({ code: -32_602 });
      await client.close();
    }
  });

  it('tell a command that ran too long from one that was refused', async () => {
    const client = await connectTs('TypeScript v2', agent.door('http'));
    const got = await client.call('execute_shell_command', { command: 'echo a; sleep 60', timeout: 0.5 });
    expect(got.isError).not.toBe(true);
    expect(got.structuredContent).toMatchObject({ state: 'timed_out', signal: 'SIGTERM', stdout: 'a\n' });
    await client.close();
  });

  it('show nothing of the daemon’s own environment', async () => {
    const client = await connectTs('TypeScript v2', agent.door('http'));
    const got = await client.call('execute_shell_command', { command: 'env' });
    expect(got.structuredContent?.['stdout']).not.toMatch(/SECRET_OF_THE_DAEMON|API_KEY/);
    await client.close();
  });

  it('[mcp-4] show and allow a caller no more than its grant', async () => {
    const client = await connectTs('TypeScript v2', agent.door('https-certificate', 'reader'));
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['read_file']);
    const got = await client.call('execute_shell_command', { command: 'id' });
    expect(got).toMatchObject({ isError: true, _meta: { 'io.vm-agent/error': { code: 'policy_refused' } } });
    expect((await client.call('read_file', { file_path: '/etc/hostname' })).isError).not.toBe(true);
    await client.close();
  });
});
