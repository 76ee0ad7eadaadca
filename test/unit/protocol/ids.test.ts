import { describe, expect, it } from 'vitest';
import {
  agentIdSchema,
  commandIdSchema,
  encodeUlid,
  vmIdHostPart,
  vmIdSchema,
} from '../../../protocol/ids.ts';

describe('ulid', () => {
  it('writes time and randomness as the ULID specification does, in lower case', () => {
    const zero = new Uint8Array(10);
    expect(encodeUlid(0, zero)).toBe('0'.repeat(26));
    // Example time of the specification's reference implementation: 1469918176385 is 01ARYZ6S41.
    expect(encodeUlid(1469918176385, zero).slice(0, 10)).toBe('01aryz6s41');
    expect(encodeUlid(0, new Uint8Array(10).fill(255)).slice(10)).toBe('z'.repeat(16));
  });

  it('sorts as its times do', () => {
    const random = new Uint8Array(10).fill(7);
    const sorted = [1, 31, 32, 1023, 1024, 2 ** 40].map((time) => encodeUlid(time, random));
    expect(sorted.toSorted()).toEqual(sorted);
  });

  it('makes identifiers that their schemas accept', () => {
    expect(agentIdSchema.safeParse(`agt-${encodeUlid(1, new Uint8Array(10))}`).success).toBe(true);
    expect(commandIdSchema.safeParse(`agt-${encodeUlid(1, new Uint8Array(10))}`).success).toBe(false);
    expect(commandIdSchema.safeParse(`cmd-../../etc/passwd`).success).toBe(false);
  });
});

describe('vm_id', () => {
  it.each([
    ['Web-01.example.com', 'web-01'],
    ['a_b c', 'a-b-c'],
    ['---', 'host'],
    ['', 'host'],
    ['x'.repeat(80), 'x'.repeat(63)],
  ])('makes of the host name %j the part %j', (hostname, part) => {
    expect(vmIdHostPart(hostname)).toBe(part);
    expect(vmIdSchema.safeParse(`vm-${part}-0123ab`).success).toBe(true);
  });

  it.each(['vm--0123ab', 'vm-a-0123AB', 'vm-a-012', 'vm-a/b-0123ab', 'VM-a-0123ab'])('refuses %j', (text) => {
    expect(vmIdSchema.safeParse(text).success).toBe(false);
  });
});
