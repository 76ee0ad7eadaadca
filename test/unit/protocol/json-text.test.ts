import { describe, expect, it } from 'vitest';
import { MAX_JSON_DEPTH, nestsDeeper, parseJson } from '../../../protocol/json-text.ts';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('JSON of a peer', () => {
  it('is what it says, down to a depth that no recursion stumbles over', () => {
    expect(parseJson('{"a":[1,"]]]",{"b":"\\"[["}]}')).toEqual({ a: [1, ']]]', { b: '"[[' }] });
    const deepest = parseJson(nested(MAX_JSON_DEPTH));
    expect(JSON.stringify(deepest)).toBe(nested(MAX_JSON_DEPTH));
    expect(() => parseJson(nested(MAX_JSON_DEPTH + 1))).toThrow(SyntaxError);
    expect(() => parseJson('{"a":'.repeat(100_000))).toThrow(SyntaxError);
  });

  it('counts what is open at a time, and no brackets in texts', () => {
    expect(nestsDeeper('[[],[],[],[]]', 2)).toBe(false);
    expect(nestsDeeper('[[[]]]', 2)).toBe(true);
    expect(nestsDeeper(`"${'['.repeat(1000)}"`, 2)).toBe(false);
    expect(nestsDeeper('["a\\\\",[[[]]]]', 3)).toBe(true);
  });
});
