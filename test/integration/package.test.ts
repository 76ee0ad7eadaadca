// The package as `npm pack` makes it, installed where the checkout is out of sight.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';

const run = promisify(execFile);
const LONG_MS = 240_000;

/** As a person's shell has it: no trace of the checkout or of the npm that runs the tests. */
function cleanEnvironment(home: string): NodeJS.ProcessEnv {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.includes('node_modules'));
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?!config_)|^INIT_CWD$|^VITEST|^NODE_(ENV|OPTIONS|PATH)$/i.test(name),
  );
  return { ...Object.fromEntries(kept), PATH: path.join(':'), INIT_CWD: home };
}

let home: TempHome;
let env: NodeJS.ProcessEnv;
const bin = (name: string) => home.join('prefix', 'bin', name);

beforeAll(async () => {
  home = await createTempHome();
  env = cleanEnvironment(home.path);
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', home.path], { cwd: ROOT, env });
  const tarball = (await readdir(home.path)).find((name) => name.endsWith('.tgz'));
  await run('npm', ['install', '--global', '--prefix', home.join('prefix'), home.join(String(tarball))], {
    cwd: home.path,
    env,
  });
  return () => home.remove();
}, LONG_MS);

describe('the installed package', () => {
  it('has both commands, which say what they do', async () => {
    const agent = await run(bin('vm-agent'), ['--help'], { cwd: home.path, env });
    expect(agent.stdout).toContain('install [options]');
    const orchestrator = await run(bin('vm-orchestrator'), ['--help'], { cwd: home.path, env });
    expect(orchestrator.stdout).toContain('serve [options]');
  });

  it('serves the API, the page, the script and a release that a machine can install', async () => {
    const words = ['serve', '--data', home.join('data'), '--listen', '127.0.0.1:0', '--log-level', 'error'];
    const server = spawn(bin('vm-orchestrator'), words, {
      cwd: home.path,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = await once(createInterface({ input: server.stdout }), 'line');
      const { url } = JSON.parse(String(line)) as { url: string };
      const get = async (path: string) =>
        (await run('curl', ['-fsS', '--cacert', home.join('data', 'ca.crt'), `${url}${path}`])).stdout;
      expect(await get('/healthz')).toBeDefined();
      expect(await get('/')).toContain('<!doctype html>');
      expect(await get('/setup.sh')).toMatch(/^#!\/bin\/sh\n/);
      const manifest = (await get('/artifacts/manifest.txt')).trim().split('\n');
      expect(manifest.filter((row) => / agent| runtime/.test(row)).length).toBeGreaterThanOrEqual(2);
      const { stdout } = await run(bin('vm-orchestrator'), ['bootstrap', '--data', home.join('data')], {
        env,
      });
      expect(JSON.parse(stdout)).toMatchObject({ admin_user: 'admin' });
    } finally {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
  });

  it('brings no file of the tests, the keys or the sources', async () => {
    const folder = join(home.path, 'prefix/lib/node_modules/vm-agent');
    const names = await readdir(folder);
    expect(names).toEqual(expect.arrayContaining(['bin', 'dist', 'package.json', 'README.md', 'LICENSE']));
    for (const absent of ['test', '.release', 'orchestrator', 'agent', 'node_modules/typescript']) {
      expect(names).not.toContain(absent);
    }
  });
});
