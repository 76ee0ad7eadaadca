import { beforeAll, describe, expect, it } from 'vitest';
import type * as Infra from '../../../../infra/index.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../../../fakes/fake-control-plane.ts';
import { isSecret, mockEngine, plain, valueOfOutput } from '../../../fakes/pulumi-mocks.ts';

const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxkTGuSQnVq1ziyoQxkTGuSQnVq1ziyoQxkTGuSQnVq';
let plane: FakeControlPlane;
let engine: Awaited<ReturnType<typeof mockEngine>>;
let infra: typeof Infra;

beforeAll(async () => {
  plane = await startFakeControlPlane();
  engine = await mockEngine({ preview: true, outputs: () => ({ stdout: '{}', stderr: '' }) });
  infra = await import('../../../../infra/index.ts');
  return () => plane.close();
});

const orchestrator = () => ({ url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem });
const hosts = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [
      `web-${n}`,
      { connection: { host: `10.0.0.${n}`, hostKey: HOST_KEY, privateKey: 'KEY' } },
    ]),
  );

const remotes = () => engine.declared.filter(({ type }) => type === 'command:remote:Command');
const locals = () => engine.declared.filter(({ type }) => type === 'command:local:Command');

describe('a fleet of 50', () => {
  let took = 0;
  beforeAll(async () => {
    const started = performance.now();
    const args = { orchestrator: orchestrator(), hosts: hosts(50), concurrency: 7 };
    const fleet = new infra.AgentFleet('fleet', { ...args, labels: { env: 'test' } });
    await valueOfOutput(fleet.status);
    await engine.settled();
    took = performance.now() - started;
  });

  it('is previewed in less than 10 s', () => {
    expect(took).toBeLessThan(10_000);
    expect(remotes()).toHaveLength(100);
    expect(locals().filter(({ name }) => name.startsWith('fleet-gate-'))).toHaveLength(3);
  });

  it('writes nothing at the orchestrator in a preview, and asks it once', () => {
    expect(plane.requests.sort()).toEqual([
      'GET /api/v1/organizations/default/agents',
      'GET /artifacts/manifest.json',
    ]);
  });

  it('has children with parents and names that stay', () => {
    const names = engine.declared.filter(({ name }) => /fleet(-web-0.*|-gate-.*)?$/.test(name));
    expect(names.map(({ parent, name, type }) => `${parent || '-'} > ${name} (${type})`).sort()).toEqual([
      '- > fleet (vm-agent:index:AgentFleet)',
      'fleet > fleet-gate-1 (command:local:Command)',
      'fleet > fleet-gate-2 (command:local:Command)',
      'fleet > fleet-gate-3 (command:local:Command)',
      'fleet > fleet-web-0 (vm-agent:index:AgentHost)',
      'fleet-web-0 > fleet-web-0-agent (command:local:Command)',
      'fleet-web-0 > fleet-web-0-install (command:remote:Command)',
      'fleet-web-0 > fleet-web-0-teardown (command:remote:Command)',
      'fleet-web-0 > fleet-web-0-token (vm-agent:index:ProvisioningToken)',
      'fleet-web-0-token > fleet-web-0-token (command:local:Command)',
    ]);
    expect(engine.declared.filter(({ parent }) => parent === '')).toHaveLength(1);
  });

  it('puts later waves after the gate of the one before', () => {
    expect(engine.named('fleet-web-0-install').after).toEqual(['fleet-web-0-token', 'fleet-web-0-teardown']);
    for (const child of ['token', 'teardown', 'install', 'agent']) {
      expect(commandOf(`fleet-web-1-${child}`).after).toContain('fleet-gate-1');
      expect(commandOf(`fleet-web-5-${child}`).after).toContain('fleet-gate-2');
    }
  });

  it('hands secrets over by stdin and by the environment of local commands alone', () => {
    for (const { inputs, secretOutputs } of [...remotes(), ...locals()]) {
      expect(inputs['logging']).toBe('none');
      expect(secretOutputs).toEqual(expect.arrayContaining(['stdout', 'stderr']));
      for (const text of ['create', 'update', 'delete'])
        expect(inputs[text] ?? '').not.toMatch(/prov_[a-z0-9]{12}_|vmo_|KEY/);
    }
    for (const { inputs } of locals()) {
      const environment = plain(inputs['environment']) as Record<string, unknown>;
      const hidden = isSecret(inputs['environment']) || isSecret(environment['VM_ORCHESTRATOR_API_TOKEN']);
      expect(hidden).toBe(true);
      expect(inputs['stdin']).not.toContain(plane.apiToken);
    }
    for (const { inputs } of remotes()) {
      expect(inputs).not.toHaveProperty('environment');
      expect(inputs).not.toHaveProperty('triggers');
      expect(inputs['addPreviousOutputInEnv']).toBe(false);
    }
  });

  it('gives the provider the fields of a connection that it knows, the key as a secret', () => {
    const { connection } = engine.named('fleet-web-0-install').inputs;
    const fields = plain(connection) as Record<string, unknown>;
    expect(Object.keys(fields).sort()).toEqual([
      'dialErrorLimit',
      'host',
      'hostKey',
      'perDialTimeout',
      'port',
      'privateKey',
      'user',
    ]);
    expect(isSecret(connection) || isSecret(fields['privateKey'])).toBe(true);
  });

  it('takes an agent off by a command that no upgrade runs', () => {
    const { inputs } = engine.named('fleet-web-0-teardown');
    expect(inputs).toMatchObject({ create: 'true', update: 'true' });
    expect(inputs['delete']).toContain('uninstall --yes');
    expect(engine.named('fleet-web-0-install').inputs).not.toHaveProperty('delete');
    expect(engine.named('fleet-web-0-install').inputs).not.toHaveProperty('update');
  });
});

const commandOf = (name: string) => {
  const found = engine.declared.find((one) => one.name === name && one.type.startsWith('command:'));
  if (found === undefined) throw new Error(`there is no command ${name}`);
  return found;
};

describe('a host', () => {
  const host = (connection: object) =>
    new infra.AgentHost('refused', { orchestrator: orchestrator(), connection: connection as never });

  it('needs a host key, or somebody who says that it needs none', () => {
    expect(() => host({ host: '10.0.0.1' })).toThrow(/hostKey is missing.*insecureIgnoreHostKey: true/);
    expect(() => host({ host: '10.0.0.1', hostKey: HOST_KEY, insecureIgnoreHostKey: true })).toThrow(
      /not both/,
    );
    expect(() => host({ host: '10.0.0.1', hostKey: '' })).toThrow(/hostKey must be a text/);
    expect(() => host({ host: '10.0.0.1', hostKey: `10.0.0.1 ${HOST_KEY}` })).toThrow(/is no public key/);
    expect(() => host({ host: '10.0.0.1', hostKey: HOST_KEY, proxy: { host: 'jump' } })).toThrow(
      /proxy\.hostKey is missing/,
    );
  });

  it('refuses fields that the provider does not know, by name and without a value', () => {
    const wrong = { host: '10.0.0.1', hostKey: HOST_KEY, privatekey: 'SECRET', privateKey: 'SECRET' };
    expect(() => host(wrong)).toThrow(/connection has no field privatekey/);
    expect(() => host(wrong)).not.toThrow(/SECRET/);
  });

  it('that is gone is left alone', async () => {
    const connection = { host: '10.0.0.9', hostKey: HOST_KEY };
    new infra.AgentHost('gone', { orchestrator: orchestrator(), connection, gone: true });
    await engine.settled();
    expect(engine.named('gone-teardown')).toMatchObject({ retained: true });
    expect(engine.named('gone-install').ignored).toEqual(['connection', 'create', 'stdin']);
    expect(commandOf('gone-token').ignored).toContain('triggers');
  });
});

it.each([
  [{ waves: ['0'] }, /waves: "0"/],
  [{ concurrency: 0 }, /concurrency/],
  [{ maxFailures: -1 }, /maxFailures/],
  [{ hosts: { 'a b': { connection: { host: 'x', hostKey: HOST_KEY } } } }, /"a b"/],
])('a fleet refuses %j', (over, message) => {
  expect(() => new infra.AgentFleet('refused', { orchestrator: orchestrator(), hosts: {}, ...over })).toThrow(
    message,
  );
});
