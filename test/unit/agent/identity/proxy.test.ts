import { describe, expect, it } from 'vitest';
import { proxyFor, proxyFromEnv, withoutUserinfo } from '../../../../agent/identity/proxy.ts';

const url = 'http://proxy:3128';

describe('what is reached without the proxy', () => {
  it.each([
    ['https://fleet.example.com:8443', '', true],
    ['https://fleet.example.com:8443', '*', false],
    ['https://fleet.example.com:8443', 'fleet.example.com', false],
    ['https://fleet.example.com:8443', 'FLEET.example.com', false],
    ['https://fleet.example.com:8443', '.example.com', false],
    ['https://fleet.example.com:8443', '*.example.com', false],
    ['https://fleet.example.com:8443', 'example.com', false],
    ['https://fleet.example.com:8443', 'ample.com', true],
    ['https://fleet.example.com:8443', 'fleet.example.com:443', true],
    ['https://fleet.example.com:8443', 'other, fleet.example.com:8443', false],
    ['https://10.1.2.3:8443', '10.0.0.0/8', false],
    ['https://11.1.2.3:8443', '10.0.0.0/8', true],
    ['https://10.1.2.3:8443', '10.1.2.3', false],
    ['https://[fd00::1]:8443', 'fd00::/8', false],
    ['https://[fd00::1]:8443', '[fd00::1]:8443', false],
    ['https://fleet.example.com', '10.0.0.0/8', true],
  ])('%s with no_proxy "%s": proxied %s', (target, noProxy, proxied) => {
    expect(proxyFor(new URL(target), { url, no_proxy: noProxy })).toBe(proxied ? url : undefined);
  });
});

it('is read from the environment as curl does', () => {
  expect(proxyFromEnv({})).toBeUndefined();
  expect(proxyFromEnv({ HTTPS_PROXY: 'proxy:3128', NO_PROXY: 'a' })).toEqual({ url, no_proxy: 'a' });
  expect(proxyFromEnv({ HTTPS_PROXY: 'http://big', https_proxy: url })).toEqual({ url });
});

it('loses user and password in what is shown', () => {
  expect(withoutUserinfo('url: http://user:secret@proxy:3128')).toBe('url: http://proxy:3128');
});
