import { expect, it } from 'vitest';
import { globMatches, inNetwork } from '../../../../orchestrator/tenancy/provisioning-tokens.ts';

it.each([
  ['vm-web-*', 'vm-web-1-abcdef', true],
  ['vm-web-*', 'vm-db-1-abcdef', false],
  ['vm-?-*', 'vm-a-abcdef', true],
  ['*', 'vm-a', true],
  ['*-abc*f', 'vm-abc-abcdef', true],
  ['vm.a', 'vm-a', false],
  ['', 'vm', false],
  ['vm', 'vm-a', false],
  [`${'*a'.repeat(40)}b`, 'a'.repeat(120), false],
])('the glob %s on %s: %s', (pattern, name, expected) => {
  expect(globMatches(pattern, name)).toBe(expected);
});

it.each([
  ['10.1.2.3', '10.0.0.0/8', true],
  ['::ffff:10.1.2.3', '10.0.0.0/8', true],
  ['11.1.2.3', '10.0.0.0/8', false],
  ['2001:db8::1', '2001:db8::/32', true],
  ['2001:db8::1', '10.0.0.0/8', false],
  ['', '0.0.0.0/0', false],
])('%s in %s: %s', (address, cidr, expected) => {
  expect(inNetwork(address, cidr)).toBe(expected);
});
