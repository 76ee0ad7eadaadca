import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  adminEnvironment,
  loadServeConfig,
  parseListen,
  reachableHost,
  type ServeFlags,
} from '../../../orchestrator/config.ts';
import { createTempHome } from '../../fakes/temp-home.ts';

it.each([
  ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
  ['[::1]:8443', { host: '::1', port: 8443 }],
  [':8443', { host: '0.0.0.0', port: 8443 }],
  ['8443', { host: '0.0.0.0', port: 8443 }],
  ['localhost:1', { host: 'localhost', port: 1 }],
])('reads %s as an address to listen on', (text, expected) => {
  expect(parseListen(text)).toEqual(expected);
});

it.each(['', 'localhost', '1.2.3.4:70000', '::1:8443', 'a b:c'])(
  'refuses %s as an address to listen on',
  (text) => {
    expect(() => parseListen(text)).toThrow('HOST:PORT');
  },
);

it('names a host that others reach when it listens on all', () => {
  const address = (ip: string, internal: boolean) => ({
    address: ip,
    family: 'IPv4' as const,
    internal,
    netmask: '',
    mac: '',
    cidr: null,
  });
  const interfaces = { lo: [address('127.0.0.1', true)], eth0: [address('192.0.2.7', false)] };
  expect(reachableHost('0.0.0.0', interfaces)).toBe('192.0.2.7');
  expect(reachableHost('0.0.0.0', {})).toBe('localhost');
  expect(reachableHost('::1', interfaces)).toBe('[::1]');
  expect(reachableHost('10.0.0.1', interfaces)).toBe('10.0.0.1');
});

it('takes an API token from the environment only when it is one', async () => {
  await expect(adminEnvironment({ VM_ORCHESTRATOR_API_TOKEN: 'hello' })).rejects.toThrow('vmo_');
  await expect(adminEnvironment({ VM_ORCHESTRATOR_API_TOKEN_FILE: '/nonexistent' })).rejects.toThrow(
    'ENOENT',
  );
  expect(await adminEnvironment({ VM_ORCHESTRATOR_API_TOKEN: 'vmo_x' })).toEqual({
    apiToken: 'vmo_x',
    password: undefined,
  });
});

describe('OpenID Connect', () => {
  const flags = { data: 'x', listen: ':1', store: 'sqlite', bus: 'memory' };
  const oidcWith = async (over: Partial<ServeFlags>, env: Record<string, string> = {}) =>
    (await loadServeConfig({ ...flags, ...over }, env)).oidc;

  it('is off until something of it is said', async () => {
    expect(await oidcWith({})).toBeUndefined();
  });

  it('takes the file, then the environment, then the flags, and the secret from neither line', async () => {
    await using home = await createTempHome();
    await writeFile(home.join('secret'), 'the secret\nnot this\n');
    await writeFile(
      home.join('oidc.yaml'),
      `issuer: https://file.example\nclient_id: file\nclient_secret_file: ${home.join('secret')}\nname: File\norganizations: {default: {ops: operator}}\n`,
    );
    const found = await oidcWith(
      { oidcConfig: home.join('oidc.yaml'), oidcIssuer: 'https://flag.example' },
      { VM_ORCHESTRATOR_OIDC__CLIENT_ID: 'env', VM_ORCHESTRATOR_OIDC__ISSUER: 'https://env.example' },
    );
    expect(found).toMatchObject({
      issuer: 'https://flag.example',
      client_id: 'env',
      clientSecret: 'the secret',
      name: 'File',
      groups_claim: 'groups',
      local_login: 'without_identity',
      organizations: { default: { ops: 'operator' } },
    });
    expect(found).not.toHaveProperty('client_secret_file');
  });

  it('takes a provider without TLS on this machine alone', async () => {
    expect(await oidcWith({ oidcIssuer: 'http://127.0.0.1:9', oidcClientId: 'x' })).toBeDefined();
    await expect(oidcWith({ oidcIssuer: 'http://id.example', oidcClientId: 'x' })).rejects.toThrow(
      'https://',
    );
  });

  it('says everything that is wrong at once, with the nearest key', async () => {
    await using home = await createTempHome();
    await writeFile(
      home.join('oidc.yaml'),
      'isuer: https://x.example\norganizations: {default: {ops: boss}}\n',
    );
    const failed = oidcWith({ oidcConfig: home.join('oidc.yaml') });
    await expect(failed).rejects.toThrow(/isuer: unknown key.*did you mean "issuer"/s);
    await expect(failed).rejects.toThrow(/client_id: /);
    await expect(failed).rejects.toThrow(/organizations\.default\.ops: .*viewer.*\(is "boss"\)/);
  });
});

describe('the life of agents’ certificates', () => {
  const flags = { data: 'x', listen: ':1', store: 'sqlite', bus: 'memory' };
  const lifeWith = async (agentCertificateTtl?: string, env: Record<string, string> = {}) =>
    (await loadServeConfig({ ...flags, agentCertificateTtl }, env)).lifetimes.agent;

  it('is 30 days, or what the flag or the environment says', async () => {
    expect(await lifeWith()).toBe(30 * 86_400);
    expect(await lifeWith('24h')).toBe(86_400);
    expect(await lifeWith(undefined, { VM_ORCHESTRATOR_AGENT_CERTIFICATE_TTL: '1h' })).toBe(3600);
    expect(await lifeWith('5s', { VM_ORCHESTRATOR_AGENT_CERTIFICATE_TTL: '1h' })).toBe(5);
  });

  it.each(['31d', '4s', '0', 'soon', '-1d'])('is not %s', async (text) => {
    await expect(lifeWith(text)).rejects.toThrow('--agent-certificate-ttl');
  });
});
