import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Amount, amountOf, parseAmount, parseWaves, waveSizes } from '../../../protocol/waves.ts';

describe('waves', () => {
  it.each([
    [20, [1, '10%', '100%'], [1, 1, 18]],
    [100, [1, '10%', '100%'], [1, 9, 90]],
    [1, [1, '10%', '100%'], [1]],
    [3, [5, '100%'], [3]],
    [0, ['100%'], []],
  ] as [number, Amount[], number[]][])('of %i machines by %j are %j', (total, marks, sizes) => {
    expect(waveSizes(total, marks)).toEqual(sizes);
  });

  it('hold each machine once', () => {
    const mark = fc.oneof(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 100 }).map((n): Amount => `${n}%`),
    );
    fc.assert(
      fc.property(fc.nat(5000), fc.array(mark, { maxLength: 10 }), (total, marks) => {
        const sizes = waveSizes(total, [...marks, '100%']);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(total);
        expect(sizes.every((size) => size > 0)).toBe(true);
      }),
    );
  });

  it('are written as people write them, and end with all', () => {
    expect(parseWaves('1, 10%,100%')).toEqual([1, '10%', '100%']);
    for (const wrong of ['', '1', '1,10%', '0,100%', '0%,100%', 'x,100%', '1.5,100%', '101%'])
      expect(parseWaves(wrong)).toBeUndefined();
  });
});

describe('an amount', () => {
  it('is a number or a share', () => {
    expect(parseAmount('25')).toBe(25);
    expect(parseAmount('25%')).toBe('25%');
    expect(parseAmount('-1')).toBeUndefined();
    expect(amountOf('10%', 25, Math.floor)).toBe(2);
    expect(amountOf('10%', 25, Math.ceil)).toBe(3);
  });
});
