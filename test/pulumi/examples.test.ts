// The examples, against the clouds' real SDKs: compiled strictly, and run under mocks.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../fakes/fake-control-plane.ts';
import { plain } from '../fakes/pulumi-mocks.ts';

const run = promisify(execFile);

const EXAMPLES = ['ssh-hosts', 'aws-autoscaling', 'hetzner'] as const;
const CACHE = join(homedir(), '.cache/vm-agent');
/** What the checkout has itself; two copies of the SDK in one process would not know each other's outputs. */
const OWN = /^(@pulumi\/(pulumi|command)|vm-agent|typescript|@types\/node)$/;
const LONG_MS = 600_000;

const exampleFile = (name: string, file: string) => join(ROOT, 'infra/examples', name, file);

/** A folder with the SDKs of all examples; it is made once for each set of versions. */
async function installSdks(): Promise<string> {
  const manifests = await Promise.all(
    EXAMPLES.map(async (name) => JSON.parse(await readFile(exampleFile(name, 'package.json'), 'utf8'))),
  );
  const all = Object.assign({}, ...manifests.map(({ dependencies }) => dependencies)) as Record<
    string,
    string
  >;
  const dependencies = Object.fromEntries(Object.entries(all).filter(([name]) => !OWN.test(name)));
  const text = JSON.stringify({ private: true, type: 'module', dependencies }, null, 2);
  const folder = join(CACHE, `pulumi-sdks-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const made = await mkdtemp(join(CACHE, 'pulumi-sdks-new-'));
  await writeFile(join(made, 'package.json'), text);
  const words = [
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--omit=optional',
  ];
  await run('npm', words, { cwd: made });
  // Another run may have been quicker; both are the same.
  await rename(made, folder).catch(() => rm(made, { recursive: true, force: true }));
  return folder;
}

let work: string;
let plane: FakeControlPlane;

beforeAll(async () => {
  const sdks = await installSdks();
  plane = await startFakeControlPlane();
  work = await mkdtemp(join(CACHE, 'pulumi-examples-'));
  await run('cp', ['-al', join(sdks, 'node_modules'), work]);
  const modules = join(work, 'node_modules');
  await rm(join(modules, '@pulumi/pulumi'), { recursive: true, force: true });
  for (const name of ['@pulumi/pulumi', '@pulumi/command', '@types/node']) {
    await rm(join(modules, name), { recursive: true, force: true });
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  }
  await symlink(ROOT, join(modules, 'vm-agent'));
  for (const name of EXAMPLES)
    await cp(join(ROOT, 'infra/examples', name), join(work, name), { recursive: true });
  await writeFile(join(work, 'run.mts'), RUN);
}, LONG_MS);
afterAll(async () => {
  await plane.close();
  await rm(work, { recursive: true, force: true });
});

/** Runs a program in the engine's place; prints what it declared. */
const RUN = `
import * as pulumi from '@pulumi/pulumi';
const declared: object[] = [];
const token = 'prov_' + '0'.repeat(12) + '_' + '0'.repeat(40) + '_' + '0'.repeat(32);
const minted = { token, id: 'id', expires_at: 'later', setup_sha256: '0'.repeat(64) };
await pulumi.runtime.setMocks({
  newResource: ({ type, name, inputs }) => {
    declared.push({ type, name, inputs });
    const stdout = type === 'command:local:Command' && name.endsWith('-frozen') ? 'user-data' : JSON.stringify(minted);
    return { id: name, state: { ...inputs, name, arn: 'arn:' + name, stdout, stderr: '' } };
  },
  call: ({ inputs }) => ({ ...inputs, region: 'eu-central-1', value: 'ami-1', json: '{}' }),
}, 'project', 'stack', false);
pulumi.runtime.setAllConfig(JSON.parse(String(process.env.TEST_CONFIG)));
process.on('beforeExit', () => {
  process.stdout.write('\\n' + JSON.stringify(declared));
  process.exit();
});
await import(String(process.argv[2]));
`;

interface Declared {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

async function declaredBy(example: string, config: Record<string, unknown>): Promise<Declared[]> {
  const settings = {
    orchestratorUrl: plane.url,
    orchestratorCa: plane.caPem,
    apiToken: plane.apiToken,
    ...config,
  };
  const texts = Object.entries(settings).map(([key, value]) => [
    `project:${key}`,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  const env = { ...process.env, TEST_CONFIG: JSON.stringify(Object.fromEntries(texts)) };
  const words = ['run.mts', join(work, example, 'index.ts')];
  const { stdout } = await run(process.execPath, words, { cwd: work, env, maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

const of = (declared: readonly Declared[], type: string) => declared.filter((one) => one.type === type);

it.each(EXAMPLES)(
  '%s compiles against the real SDKs',
  async (name) => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const failure = await run(process.execPath, [tsc, '-p', join(work, name)], { cwd: work }).then(
      () => '',
      (cause: { stdout: string }) => cause.stdout,
    );
    expect(failure).toBe('');
  },
  LONG_MS,
);

describe('the programs', () => {
  it('ssh-hosts: a fleet of what the configuration names', async () => {
    const machines = {
      'web-1': { address: '192.0.2.1', hostKey: 'ssh-ed25519 AAAA', labels: { role: 'web' } },
    };
    const declared = await declaredBy('ssh-hosts', { machines, privateKey: 'KEY' });
    expect(of(declared, 'command:remote:Command').map(({ name }) => name)).toEqual([
      'fleet-web-1-teardown',
      'fleet-web-1-install',
    ]);
  });

  it('ssh-hosts: what the configuration says about a machine reaches the fleet', async () => {
    const machine = { address: '192.0.2.1', hostKey: 'ssh-ed25519 AAAA' };
    const machines = {
      // As `pulumi config set --path` writes them: numbers and booleans.
      'web.example.com': { ...machine, user: 'admin', port: 2222, labels: { rack: 7, spare: true } },
      lost: { ...machine, gone: true },
    };
    const declared = await declaredBy('ssh-hosts', { machines, privateKey: 'KEY' });
    const named = (name: string) =>
      declared.find((one) => one.name === name && one.type.startsWith('command:'))?.inputs;
    const { connection } = named('fleet-web.example.com-install') ?? {};
    expect(plain(connection)).toMatchObject({ host: '192.0.2.1', user: 'admin', port: 2222 });
    const { environment } = named('fleet-web.example.com-token') ?? {};
    const { VM_AGENT_REQUEST } = plain(environment) as Record<string, unknown>;
    expect(JSON.parse(String(plain(VM_AGENT_REQUEST)))).toMatchObject({
      limits: { labels: { rack: '7', spare: 'true' } },
    });
    const [gate] = declared.filter(({ name }) => name.startsWith('fleet-gate-')).map(({ inputs }) => inputs);
    expect(JSON.stringify(gate)).not.toContain('lost');
  });

  it.each([
    [{ lables: { role: 'web' } }, 'machines: web-1 has the unknown key lables; there are address,'],
    [{ gone: 'yes' }, 'machines: gone of web-1 must be true or false'],
  ])('ssh-hosts: refuses a machine with %j', async (wrong, message) => {
    const machines = { 'web-1': { address: '192.0.2.1', hostKey: 'ssh-ed25519 AAAA', ...wrong } };
    await expect(declaredBy('ssh-hosts', { machines, privateKey: 'KEY' })).rejects.toThrow(message);
  });

  it('aws-autoscaling: no token in the launch template, and a role that may read it', async () => {
    const declared = await declaredBy('aws-autoscaling', {
      subnetIds: ['subnet-1'],
      networkCidr: '10.0.0.0/16',
    });
    const [template] = of(declared, 'aws:ec2/launchTemplate:LaunchTemplate');
    const userData = String(plain(template?.inputs['userData']));
    const text = Buffer.from(userData, 'base64').toString();
    expect(text).toContain('aws ssm get-parameter --region eu-central-1');
    expect(text).not.toMatch(/prov_0/);
    expect(of(declared, 'aws:ssm/parameter:Parameter')).toMatchObject([{ inputs: { type: 'SecureString' } }]);
    expect(of(declared, 'aws:autoscaling/group:Group')).toHaveLength(1);
  });

  it('hetzner: each machine has a token of its own', async () => {
    const declared = await declaredBy('hetzner', {});
    const minted = of(declared, 'command:local:Command').filter(({ name }) => name.endsWith('-token'));
    expect(minted.map(({ name }) => name)).toEqual(['web-1-token', 'web-2-token']);
    expect(of(declared, 'hcloud:index/server:Server')).toHaveLength(2);
  });
});
