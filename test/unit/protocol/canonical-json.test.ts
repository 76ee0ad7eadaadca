import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../protocol/canonical-json.ts';

describe('JSON in one way only', () => {
  it('sorts keys by their units and writes numbers as RFC 8785 does', () => {
    expect(canonicalJson({ b: 1, a: [true, null, 'é'], 10: 1e21, 9: -0 })).toBe(
      '{"10":1e+21,"9":0,"a":[true,null,"é"],"b":1}',
    );
    expect(canonicalJson({ '\u20ac': 1, '\r': 2, '\ud83d\ude00': 3, '1': 4 })).toBe(
      '{"\\r":2,"1":4,"€":1,"😀":3}',
    );
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
  });

  it('gives what JSON reads back as the same value, whatever the order of the keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
