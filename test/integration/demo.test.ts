// `npm start`, as a newcomer meets it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { freePort } from '../fakes/free-port.ts';
import { createTempHome } from '../fakes/temp-home.ts';

/** Starts the demo; `until` resolves with all that was printed when a line has the text. */
function startDemo(words: readonly string[]) {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/demo.mts'), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // As in a shell that is set up for another orchestrator.
    env: {
      ...process.env,
      VM_ORCHESTRATOR_URL: 'https://elsewhere.invalid',
      VM_ORCHESTRATOR_API_TOKEN: 'vmo_elsewhere',
      VM_ORCHESTRATOR_CA_FILE: '/nonexistent',
    },
  });
  let text = '';
  child.stderr.on('data', (chunk) => {
    text += String(chunk);
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    text += `${line}\n`;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, text }));
  const until = (wanted: string) =>
    Promise.race([
      new Promise<void>((resolve) => lines.on('line', (line) => line.includes(wanted) && resolve())),
      ended.then(() => Promise.reject(new Error(`it ended before "${wanted}":\n${text}`))),
    ]);
  return { child, ended, until };
}

describe('npm start', () => {
  it('shows an orchestrator, an enrolled agent and a command, and ends with --once', async () => {
    await using home = await createTempHome();
    const { code, text } = await startDemo([
      '--once',
      '--data',
      home.path,
      '--port',
      String(await freePort()),
    ]).ended;
    expect({ code, text: code === 0 ? '' : text }).toEqual({ code: 0, text: '' });
    expect(text).toMatch(/is online/);
    expect(text).toMatch(/\$ vm-orchestrator run[^\n]*\n[^\n]+\n/);
    expect(text).toMatch(/https:\/\/[^\s]+\n\s+user admin, password \S+/);
    expect(text).toMatch(/prov_\w+_\w+_[0-9a-f]{32}/);
    expect(text).toMatch(/curl -fsS/);
  });

  it('serves another shell by its env file, and stops with everything that it started at Ctrl-C', async () => {
    await using home = await createTempHome();
    const demo = startDemo(['--data', home.path, '--port', String(await freePort())]);
    await demo.until('Running until Ctrl-C');
    const env = home.join('env');
    expect((await stat(env)).mode & 0o777).toBe(0o600);
    const shell = `. '${env}' && exec '${join(ROOT, 'bin/vm-orchestrator')}' run -- 'echo "$PPID"'`;
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', shell]);
    const agent = `/proc/${stdout.trim()}/cmdline`;
    expect(await readFile(agent, 'utf8')).toContain('vm-agent.mjs');
    demo.child.kill('SIGINT');
    expect((await demo.ended).code).toBe(0);
    await expect(readFile(agent, 'utf8')).rejects.toThrow(/ENOENT/);
  });
});
