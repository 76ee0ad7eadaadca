import { expect, it } from 'vitest';
import { adminEnvironment, parseListen, reachableHost } from '../../../orchestrator/config.ts';

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
