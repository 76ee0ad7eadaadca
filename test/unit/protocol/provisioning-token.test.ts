import { describe, expect, it } from 'vitest';
import {
  caPinOf,
  formatProvisioningToken,
  parseLabel,
  parseProvisioningToken,
  parseRate,
  tokenLimitsSchema,
  vmIdPatternSchema,
} from '../../../protocol/provisioning-token.ts';

const token = { id: 'abc123def456', secret: 'a'.repeat(40), caPin: '0123456789abcdef0123456789abcdef' };

describe('provisioning tokens', () => {
  it('come back from their text, with the line end that a terminal adds', () => {
    expect(parseProvisioningToken(`${formatProvisioningToken(token)}\n`)).toEqual(token);
  });

  it.each([
    '',
    'prov_',
    'prov_abc_def_ghi',
    `${formatProvisioningToken(token)}0`,
    'eyJhbGciOiJFUzI1NiJ9.e30.x',
  ])('are not read from %j', (text) => {
    expect(parseProvisioningToken(text)).toBeUndefined();
  });

  it('pin the root by the first half of its fingerprint, however that is written', () => {
    expect(caPinOf('AB:CD:'.repeat(16).slice(0, -1))).toBe('abcd'.repeat(8));
  });

  it('live 24 hours and serve once unless told otherwise', () => {
    expect(tokenLimitsSchema.parse({})).toEqual({ uses: 1, ttl_s: 86_400, labels: {} });
  });
});

describe('labels and durations', () => {
  it.each([
    ['env=prod', ['env', 'prod']],
    ['a.b/c=', ['a.b/c', '']],
    ['=x', undefined],
    ['env', undefined],
    ['env=a b', undefined],
    ['Env=x', undefined],
  ])('reads the label %j as %j', (text, label) => {
    expect(parseLabel(text)).toEqual(label);
  });
});

describe('a rate', () => {
  it('is a number of machines within a time', () => {
    expect(parseRate('10/1h')).toEqual({ uses: 10, window_s: 3600 });
    expect(parseRate('1/90')).toEqual({ uses: 1, window_s: 90 });
  });

  it.each([
    '',
    '10',
    '10/',
    '/1h',
    '0/1h',
    '-1/1h',
    '1.5/1h',
    '10/0',
    '10/31d',
    '10/1h/2',
    '10/500ms',
    'x/1h',
  ])('is not %j', (text) => {
    expect(parseRate(text)).toBeUndefined();
  });
});

describe('a pattern of vm_ids', () => {
  it.each([
    '*',
    'vm-*',
    'vm-web-*',
    'vm-web-?-*',
    '?m-web*',
    '*-web-*',
    '*web*',
    'v*',
    'vm-web-??????',
    '*-abc123',
    'vm-web-1-a1b2c3',
  ])('may be %j', (text) => {
    expect(vmIdPatternSchema.safeParse(text).success).toBe(true);
  });

  it.each([
    '',
    'web*',
    'vm web;rm',
    '***[',
    'VM-web-*',
    'vm',
    'vm-',
    'vm-web',
    'vm--*',
    '??web*',
    '*-web',
    'vm-web-*.example',
    `vm-${'a'.repeat(130)}*`,
  ])('is not %j, which no vm_id is', (text) => {
    expect(vmIdPatternSchema.safeParse(text).success).toBe(false);
    expect(tokenLimitsSchema.safeParse({ vm_id_pattern: text }).success).toBe(false);
  });
});
