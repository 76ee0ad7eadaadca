import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemMetricsSchema } from '../../protocol/system.ts';
import { ROOT } from '../../scripts/lib/root.ts';
import { type AgentHome, createAgentHome } from '../fakes/agent-home.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import { render, usualEvents } from '../fakes/generated-log.ts';

/** What clients are shown, as it is pinned. */
const LISTED = (
  JSON.parse(readFileSync(join(ROOT, 'test/pins/tools-list.json'), 'utf8')) as { name: string }[]
).map(({ name }) => name);

let home: AgentHome;
let agent: AgentProcess;

beforeAll(async () => {
  home = await createAgentHome();
  await home.setUrl('wss://127.0.0.1:1/');
  agent = startAgent({ home: home.path });
  await agent.logged((line) => line['condition'] === 'enrolled' && line['ok'] === true);
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

async function run(entry: string, words: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(ROOT, entry), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: home.path, VM_AGENT_HOME: home.path, ...env },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (piece: Buffer) => {
    out += piece.toString();
  });
  child.stderr.on('data', (piece: Buffer) => {
    err += piece.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}
const cli = (...words: string[]) => run('cli/main.ts', words);

describe('the command line, with an agent that runs', () => {
  it('lists a folder', async () => {
    const { code, out } = await cli('ls', home.path);
    expect(code).toBe(0);
    expect(out.split('\n')[0]).toMatch(/^MODE +OWNER +SIZE +MODIFIED \(UTC\) +NAME$/);
    expect(out).toMatch(/^d700 .* security$/m);
    const json = JSON.parse((await cli('ls', home.path, '--json')).out);
    expect(json.entries.map((entry: { name: string }) => entry.name)).toContain('security');
  });

  it('says of a folder without an agent that there is none, whoever answers on the usual port', async () => {
    const none = `${home.path}-none`;
    const { code, out } = await cli('status', '--home', none);
    expect({ code, out }).toEqual({ code: 3, out: expect.stringContaining(`there is no agent in ${none}`) });
    expect(JSON.parse((await cli('status', '--home', none, '--json')).out)).toEqual({
      running: false,
      port: null,
    });
    expect((await cli('status')).code).not.toBe(3);
  });

  it('shows the metrics as tables, as JSON and for Prometheus', async () => {
    const { code, out } = await cli('metrics');
    expect({ code, host: out.split('\n')[0] }).toEqual({
      code: 0,
      host: expect.stringMatching(/^host .*, up /),
    });
    expect(out).toMatch(/^DISK +TYPE +SIZE/m);
    systemMetricsSchema.parse(JSON.parse((await cli('metrics', '--json')).out));
    expect((await cli('metrics', '--prometheus')).out).toContain('vm_agent_build_info{');
  });

  it('prints the last lines of a log of any size, byte for byte, and what they say in short', async () => {
    const file = join(home.path, 'big.log');
    const lines = Array.from(
      { length: 5000 },
      (_, i) => `2026-11-23T10:00:00Z ERROR request ${i} – ${'é'.repeat(40)}\n`,
    );
    await writeFile(file, lines.join(''));
    expect((await cli('logs', file, '--lines', '3000')).out).toBe(lines.slice(-3000).join(''));
    expect((await cli('logs', file, '--analyze')).out).toMatch(/^lines +100/);
    expect((await cli('logs', file, '--lines', 'many')).code).toBe(2);
  });

  it('reports on a log by filters, as JSON, and about what is packed', async () => {
    const file = join(home.path, 'app.log');
    const events = usualEvents({ fromMs: Date.parse('2026-01-31T10:00:00Z'), count: 600, everyMs: 1000 });
    await writeFile(`${file}.1.gz`, gzipSync(events.slice(0, 300).map(render).join('')));
    await writeFile(file, events.slice(300).map(render).join(''));
    const warnings = events.filter(({ level }) => level === 'WARN').length;
    const found = JSON.parse((await cli('logs', file, '--level', 'warning', '--json')).out);
    expect(found).toMatchObject({ lines_read: 600, lines_analyzed: warnings, levels: { warning: warnings } });
    const { out } = await cli('logs', `${file}.1.gz`, '--lines', '0');
    expect(out).toMatch(/^lines {3}300 /);
    expect(out).toContain(`${file}.1.gz`);
    const wrong = await cli('logs', file, '--grep', '(?=x)');
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('RE2') });
    expect((await cli('logs', file, '--raw', '--level', 'error')).code).toBe(2);
    expect((await cli('logs', 'journal:../x')).err).toContain('not the name of a systemd unit');
  });

  it('follows a log, also where no agent answers for the caller', async () => {
    const file = join(home.path, 'growing.log');
    await writeFile(file, 'INFO first\n');
    const words = ['logs', file, '--lines', '1', '--follow', '--grep', 'wanted', '--local'];
    const child = spawn(process.execPath, [join(ROOT, 'cli/main.ts'), ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    for await (const piece of child.stdout) {
      const before = out;
      out += String(piece);
      if (before === '') await appendFile(file, 'INFO other\nERROR wanted\n');
      if (out.includes('wanted')) break;
    }
    child.kill();
    await once(child, 'close');
    expect(out).toMatch(/ERROR wanted\n$/);
    expect(out).not.toContain('other');
  });

  it('tries every endpoint and every tool, and says what fails', async () => {
    const { code, out, err } = await cli('test');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { tools } = JSON.parse((await run('cli/main.ts', ['status', '--json'])).out).info;
    // What only the orchestrator may call is offered to nobody here.
    const offered = (tools as { name: string }[]).filter(({ name }) => LISTED.includes(name));
    expect(offered).toHaveLength(LISTED.length);
    for (const { name } of offered) expect(out).toMatch(new RegExp(`^ok    ${name} `, 'm'));
    expect(out).toMatch(/\d+ work, 0 fail, 0 skipped\n$/);
    const wrong = await run('cli/main.ts', ['test', '--json'], { VM_AGENT_API_KEY: 'wrong' });
    expect(wrong.code).toBe(1);
    expect(JSON.parse(wrong.out).checks).toContainEqual(
      expect.objectContaining({
        name: '/metrics',
        result: 'fail',
        detail: expect.stringContaining('(unauthenticated)'),
      }),
    );
  });

  it('tries an agent from elsewhere by its address', async () => {
    const { code, out } = await run('scripts/test-server.mts', [
      '--url',
      `https://127.0.0.1:${await agent.port()}`,
      '--api-key-file',
      join(home.path, 'security/api_key'),
      '--ca-file',
      join(home.path, 'security/ca.crt'),
      '--servername',
      'localhost',
    ]);
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/0 fail, 0 skipped\n$/) });
  });

  it('shows its key to this agent alone, not to whoever has its port', async () => {
    const seen: string[] = [];
    const impostor = createServer((request, response) => {
      seen.push(String(request.headers.authorization));
      response.end('{}');
    });
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', () => resolve()));
    const { port } = impostor.address() as { port: number };
    await writeFile(join(home.path, 'state/endpoint.json'), JSON.stringify({ port }));
    const { code, err } = await cli('ls', '/');
    await writeFile(join(home.path, 'state/endpoint.json'), JSON.stringify({ port: await agent.port() }));
    impostor.close();
    expect({ code: code !== 0, seen }).toEqual({ code: true, seen: [] });
    expect(err).toContain('No agent can be spoken to at');
  });

  it('runs a quoted command with options behind it', async () => {
    expect(await cli('exec', 'echo a b; exit 4', '--timeout', '60')).toEqual({
      code: 4,
      out: 'a b\n',
      err: '',
    });
  });
});

describe('without an agent that could be asked', () => {
  it('says which file is missing and what to do', async () => {
    const { code, err } = await run('cli/main.ts', ['metrics'], {
      VM_AGENT_HOME: join(home.path, 'nowhere'),
    });
    expect(code).not.toBe(0);
    expect(err).toContain(join(home.path, 'nowhere/security/api_key'));
    expect(err).toContain('what to do: Enroll this machine');
  });
});
