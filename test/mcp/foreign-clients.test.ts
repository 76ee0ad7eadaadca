import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectTs, TS_CLIENTS, type TsClient } from './clients/typescript.ts';
import { DOORS, type DoorName, type DoorTicket, type McpAgent, startMcpAgent } from './support/agent.ts';
import { peerModules, pythonWith } from './support/cached.ts';
import { callPlan } from './support/plan.ts';

const PYTHON = {
  'Python mcp 2.3.0': { script: 'v2.py', needs: ['mcp==2.3.0', 'fastmcp==4.1.2'], mode: 'auto' },
  'Python mcp 2.3.0 (2025)': { script: 'v2.py', needs: ['mcp==2.3.0', 'fastmcp==4.1.2'], mode: 'legacy' },
  'Python mcp 1.30.0': { script: 'v1.py', needs: ['mcp==1.30.0'], mode: '' },
  'fastmcp 4.1.2': { script: 'fast.py', needs: ['mcp==2.3.0', 'fastmcp==4.1.2'], mode: '' },
} as const;
type PythonClient = keyof typeof PYTHON;

interface Answer {
  tools: string[];
  results: { tool: string; isError: boolean; structured: Record<string, unknown> | null }[];
  progress: [progress: number, total: number | null, message: string][];
}
type Calls = readonly (readonly [tool: string, args: Record<string, unknown>])[];

const pythons = new Map<string, string | undefined>();
let agent: McpAgent;
let scratch: string;
let listed: string[];

beforeAll(async () => {
  agent = await startMcpAgent();
  scratch = await mkdtemp(join(tmpdir(), 'mcp-clients-'));
  await peerModules();
  for (const { needs } of Object.values(PYTHON)) pythons.set(needs.join(), await pythonWith(needs));
  const client = await connectTs('TypeScript v2', agent.door('http'));
  listed = (await client.listTools()).tools.map(({ name }) => name);
  await client.close();
}, 600_000);
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

async function plan(): Promise<Calls> {
  const folder = await mkdtemp(join(scratch, 'work-'));
  return callPlan(folder).filter(([tool]) => listed.includes(tool));
}

function run(file: string, args: string[], input: string, env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { env: { PATH: process.env['PATH'] ?? '', HOME: scratch, ...env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${stderr}\n${stdout}`)),
    );
    child.stdin?.end(input);
  });
}

async function withPython(client: PythonClient, door: DoorTicket, calls: Calls): Promise<Answer> {
  const { script, needs, mode } = PYTHON[client];
  const python = pythons.get(needs.join());
  if (python === undefined) throw new Error('there is no python3 with venv');
  const path = join(import.meta.dirname, 'clients', script);
  return JSON.parse(await run(python, [path], JSON.stringify({ ...door, mode, calls }))) as Answer;
}

async function withTypeScript(kind: TsClient, door: DoorTicket, calls: Calls): Promise<Answer> {
  const client = await connectTs(kind, door);
  const answer: Answer = {
    tools: (await client.listTools()).tools.map(({ name }) => name),
    results: [],
    progress: [],
  };
  let commandId: unknown;
  for (const [tool, args] of calls) {
    const filled = Object.entries(args).map(([key, value]) => [
      key,
      value === '$command_id' ? commandId : value,
    ]);
    const got = await client.call(tool, Object.fromEntries(filled), {
      onprogress: ({ progress, message = '' }) => answer.progress.push([progress, null, message]),
    });
    const structured = got.structuredContent ?? null;
    commandId = structured?.['command_id'] ?? commandId;
    answer.results.push({ tool, isError: got.isError === true, structured });
  }
  await client.close();
  return answer;
}

function expectAll(answer: Answer): void {
  expect(answer.tools).toEqual(listed);
  const failed = answer.results.filter(({ isError, structured }) => isError || structured === null);
  expect(failed).toEqual([]);
  expect(answer.results[0]?.structured).toMatchObject({ exit_code: 3, stdout: 'a\nb\n', stderr: 'c' });
  expect(new Set(answer.results.map(({ tool }) => tool))).toEqual(new Set(listed));
}

const SLOW: Calls = [['execute_shell_command', { command: 'echo on; sleep 2.6; echo off' }]];
function expectProgress({ progress, results }: Answer): void {
  expect(results[0]?.structured).toMatchObject({ exit_code: 0, stdout: 'on\noff\n' });
  expect(progress.length).toBeGreaterThan(0);
  for (const [, , message] of progress) expect(message).toMatch(/^running for \d+ s, 3 bytes of output$/);
}

describe.each(TS_CLIENTS)('%s', (kind) => {
  it.each(DOORS)('calls every tool by %s', async (door: DoorName) => {
    expectAll(await withTypeScript(kind, agent.door(door), await plan()));
  });
  it('hears about progress', async () => {
    expectProgress(await withTypeScript(kind, agent.door('http'), SLOW));
  });
});

describe.each(Object.keys(PYTHON) as PythonClient[])('%s', (client) => {
  it.for(DOORS)('calls every tool by %s', async (door: DoorName, { skip }) => {
    if (pythons.get(PYTHON[client].needs.join()) === undefined) skip('needs python3 with venv');
    expectAll(await withPython(client, agent.door(door), await plan()));
  });
  it('hears about progress', async ({ skip }) => {
    if (pythons.get(PYTHON[client].needs.join()) === undefined) skip('needs python3 with venv');
    expectProgress(await withPython(client, agent.door('http'), SLOW));
  });
});

describe('the Inspector’s command line', () => {
  async function inspect(door: DoorTicket, ...args: string[]): Promise<Record<string, unknown>> {
    const home = join(scratch, 'home');
    await mkdir(home, { recursive: true });
    const base = ['--cli', '--server-url', door.url, '--transport', 'http', '--stored-auth-only'];
    const key = ['--header', `Authorization: Bearer ${door.key}`, '--format', 'json'];
    const text = await run(process.execPath, [await inspectorPath(), ...base, ...key, ...args], '', {
      HOME: home,
      ...(door.ca === undefined ? {} : { NODE_EXTRA_CA_CERTS: door.ca }),
    });
    return (JSON.parse(text) as { result: Record<string, unknown> }).result;
  }

  it.each(['modern', 'legacy'])('finds nothing to complain about in the %s list of tools', async (era) => {
    for (const name of ['http', 'https-key'] as const) {
      const result = await inspect(
        agent.door(name),
        '--protocol-era',
        era,
        '--method',
        'tools/list',
        '--strict',
      );
      expect((result['tools'] as { name: string }[]).map(({ name }) => name)).toEqual(listed);
    }
  });

  it('calls every tool', async () => {
    let commandId: unknown;
    for (const [tool, args] of await plan()) {
      const filled = Object.entries(args).map(([k, value]) => [
        k,
        value === '$command_id' ? commandId : value,
      ]);
      const json = JSON.stringify(Object.fromEntries(filled));
      const call = ['--method', 'tools/call', '--tool-name', tool, '--tool-args-json', json];
      const result = await inspect(agent.door('https-key'), '--protocol-era', 'modern', ...call);
      const structured = result['structuredContent'] as Record<string, unknown> | undefined;
      expect(structured, tool).toBeDefined();
      commandId = structured?.['command_id'] ?? commandId;
    }
  }, 180_000);
});

async function inspectorPath(): Promise<string> {
  const folder = join(await peerModules(), '@modelcontextprotocol/inspector');
  const { default: manifest } = (await import(join(folder, 'package.json'), { with: { type: 'json' } })) as {
    default: { bin: Record<string, string> };
  };
  return join(folder, Object.values(manifest.bin)[0] ?? '');
}
