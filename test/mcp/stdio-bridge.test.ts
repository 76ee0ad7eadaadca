import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { connectStdio, type StdioProgram, TS_CLIENTS } from './clients/typescript.ts';
import { type McpAgent, startMcpAgent } from './support/agent.ts';
import { peerModules } from './support/cached.ts';
import { callPlan } from './support/plan.ts';
import { running, stubbornCommand, until } from './support/processes.ts';

let agent: McpAgent;
let scratch: string;
beforeAll(async () => {
  await peerModules();
  agent = await startMcpAgent();
  scratch = await mkdtemp(join(tmpdir(), 'mcp-bridge-'));
}, 300_000);
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

const program = (args: string[] = ['--home', agent.home.path], env = {}): StdioProgram => ({
  command: process.execPath,
  args: [join(ROOT, 'cli/main.ts'), 'mcp', ...args],
  env: { PATH: process.env['PATH'] ?? '', HOME: scratch, ...env },
});

describe.each(TS_CLIENTS)('%s through vm-agent mcp', (kind) => {
  it('calls every tool', async () => {
    const client = await connectStdio(kind, program());
    const listed = (await client.listTools()).tools.map(({ name }) => name);
    let commandId: unknown;
    const folder = await mkdtemp(join(scratch, 'work-'));
    for (const [tool, args] of callPlan(folder).filter(([name]) => listed.includes(name))) {
      const filled = Object.entries(args).map(([k, value]) => [
        k,
        value === '$command_id' ? commandId : value,
      ]);
      const { isError, structuredContent } = await client.call(tool, Object.fromEntries(filled));
      expect({ tool, isError: isError === true }).toEqual({ tool, isError: false });
      commandId = structuredContent?.['command_id'] ?? commandId;
    }
    await client.close();
  });

  it('[mcp-2] leaves no process a second after a call was cancelled, or the client went', async () => {
    const client = await connectStdio(kind, program());
    const first = stubbornCommand();
    const abort = new AbortController();
    const call = (command: string, signal?: AbortSignal) =>
      client
        .call('execute_shell_command', { command }, signal === undefined ? {} : { signal })
        .catch((error: unknown) => error);
    const cancelled = call(first.text, abort.signal);
    expect(await until(() => running(first.mark).length === first.processes, 5000)).toBe(true);
    abort.abort();
    expect(await until(() => running(first.mark).length === 0, 1000)).toBe(true);
    await cancelled;
    const second = stubbornCommand();
    const left = call(second.text);
    expect(await until(() => running(second.mark).length === second.processes, 5000)).toBe(true);
    await client.close();
    expect(await until(() => running(second.mark).length === 0, 1000)).toBe(true);
    await left;
  });

  it('goes to an agent elsewhere with a key from the environment, or with a client certificate', async () => {
    const { ca, certificate } = agent.door('https-certificate');
    const url = ['--url', `https://localhost:${agent.port}`, '--ca-file', ca ?? ''];
    const keyed = await connectStdio(kind, program(url, { VM_AGENT_API_KEY: agent.home.apiKey }));
    expect((await keyed.call('execute_shell_command', { command: 'true' })).isError).not.toBe(true);
    await keyed.close();
    const shown = ['--cert-file', certificate?.cert ?? '', '--key-file', certificate?.privateKey ?? ''];
    const certified = await connectStdio(kind, program([...url, ...shown]));
    expect((await certified.call('execute_shell_command', { command: 'true' })).isError).not.toBe(true);
    await certified.close();
  });
});

/** What the bridge writes for these lines on its stdin. */
async function raw(
  options: StdioProgram,
  lines: string[],
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(options.command, options.args, { env: options.env });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const first = new Promise<void>((resolve) => {
    child.stdout.once('data', () => resolve());
    child.once('close', () => resolve());
  });
  const out = text(child.stdout);
  const err = text(child.stderr);
  for (const line of lines) child.stdin.write(`${line}\n`);
  await first;
  child.stdin.end();
  return { code: await code, out: await out, err: await err };
}

const PING = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'ping' });

describe('vm-agent mcp', () => {
  it('says what a user without rights can do', async () => {
    const home = await mkdtemp(join(scratch, 'other-'));
    const { code, out, err } = await raw(program(['--home', home]), []);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toContain(`${home}/security/api_key`);
    expect(err).toContain('VM_AGENT_API_KEY');
  });

  it('answers with the reason when the agent turns it away', async () => {
    const { out } = await raw(program(undefined, { VM_AGENT_API_KEY: 'wrong' }), [PING]);
    expect(JSON.parse(out)).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining('not the API key'), data: { code: 'unauthenticated' } },
    });
  });

  it('answers with the reason when no agent is there', async () => {
    const options = program(['--url', 'http://127.0.0.1:9'], { VM_AGENT_API_KEY: 'x' });
    const { out } = await raw(options, [PING]);
    expect(JSON.parse(out)).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining('No agent answers') },
    });
  });

  it('answers what is no message', async () => {
    const { out } = await raw(program(), ['hello']);
    expect(JSON.parse(out)).toMatchObject({ id: null, error: { code: -32_700 } });
  });
});
