// `vm-agent/infra` as whoever installs the package has it: bundled, with types, and with Pulumi's own packages beside.
import { execFile, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../fakes/fake-control-plane.ts';
import { plain } from '../fakes/pulumi-mocks.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';

const run = promisify(execFile);
const LONG_MS = 240_000;

/** A program as the documents show it, run under mocks; what it declared goes to stdout. */
const PROGRAM = `
import * as pulumi from '@pulumi/pulumi';
import { AgentFleet, type AgentFleetArgs, AgentUserData } from 'vm-agent/infra';

const declared: Record<string, unknown> = {};
await pulumi.runtime.setMocks({
  newResource: ({ name, inputs }) => {
    declared[name] = inputs;
    const minted = {
      token: 'prov_' + '0'.repeat(12) + '_' + '0'.repeat(40) + '_' + '0'.repeat(32),
      setup_sha256: '0'.repeat(64),
    };
    return { id: name, state: { ...inputs, stdout: JSON.stringify(minted), stderr: '' } };
  },
  call: () => ({}),
}, 'project', 'stack', true);
const orchestrator = {
  url: String(process.env.TEST_URL),
  apiToken: String(process.env.TEST_TOKEN),
  caPem: String(process.env.TEST_CA),
};
const args: AgentFleetArgs = {
  orchestrator,
  hosts: { web: { connection: { host: '192.0.2.1', hostKey: 'ssh-ed25519 AAAA' } } },
};
new AgentFleet('fleet', args);
const vm = new AgentUserData('vm', { orchestrator, ttl: '15m' });
const kept: pulumi.Output<string> = vm.userDataBase64;
void kept;
process.on('beforeExit', () => {
  process.stdout.write(JSON.stringify(declared));
  process.exit();
});
`;

let home: TempHome;
let plane: FakeControlPlane;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  home = await createTempHome();
  plane = await startFakeControlPlane();
  env = { ...process.env, TEST_URL: plane.url, TEST_TOKEN: plane.apiToken, TEST_CA: plane.caPem };
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', home.path], { cwd: ROOT });
  const tarball = (await readdir(home.path)).find((name) => name.endsWith('.tgz'));
  await writeFile(home.join('package.json'), '{"type":"module","private":true}');
  const words = ['install', '--omit=optional', '--omit=peer', '--no-audit', home.join(String(tarball))];
  await run('npm', words, { cwd: home.path });
  // What the checkout has of Pulumi is as good as a download.
  await mkdir(home.join('node_modules/@types'), { recursive: true });
  await symlink(join(ROOT, 'node_modules/@pulumi'), home.join('node_modules/@pulumi'));
  await symlink(join(ROOT, 'node_modules/@types/node'), home.join('node_modules/@types/node'));
  await writeFile(home.join('index.ts'), PROGRAM);
  return async () => {
    await plane.close();
    await home.remove();
  };
}, LONG_MS);

describe('the installed package’s components', () => {
  it(
    'have types that a strict program compiles against',
    async () => {
      const flags = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node'];
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      const done = run(process.execPath, [tsc, ...flags, '--skipLibCheck', 'index.ts'], { cwd: home.path });
      const failure = await done.then(
        () => '',
        (cause: { stdout: string }) => cause.stdout,
      );
      expect(failure).toBe('');
      expect(await readFile(home.join('node_modules/vm-agent/dist/infra.d.mts'), 'utf8')).not.toMatch(
        /: any\b|\bimport\(/,
      );
    },
    LONG_MS,
  );

  it(
    'declare a fleet, and ship the program that its commands run',
    async () => {
      const { stdout } = await run(process.execPath, ['index.ts'], { cwd: home.path, env });
      const declared = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<
        string,
        Record<string, string>
      >;
      expect(Object.keys(declared)).toEqual(
        expect.arrayContaining(['fleet-web-install', 'fleet-gate-1', 'vm-token', 'vm-frozen']),
      );
      const { create = '', stdin = '', environment } = declared['fleet-web-token'] ?? {};
      expect(create).toBe('node - mint');
      const given = plain(environment) as Record<string, unknown>;
      const settings = Object.entries(given).map(([name, value]) => [name, String(plain(value))] as const);
      const child = spawn(process.execPath, ['-', 'mint'], {
        env: { ...env, ...Object.fromEntries(settings) },
      });
      child.stdin.end(stdin);
      const told = await text(child.stdout);
      expect(JSON.parse(told)).toMatchObject({
        id: plane.tokens.at(-1)?.id,
        token: expect.stringMatching(/^prov_/),
      });
    },
    LONG_MS,
  );

  it('have an executable provider', async () => {
    const file = home.join('node_modules/.bin/pulumi-resource-vm-agent');
    expect(await readFile(file, 'utf8')).toContain('dist/pulumi-resource-vm-agent.mjs');
  });
});
