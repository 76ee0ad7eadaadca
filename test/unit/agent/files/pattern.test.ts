import { describe, expect, it } from 'vitest';
import { compileMatcher } from '../../../../agent/files/pattern.ts';

const plain = { literal: false, ignoreCase: false };

describe('a pattern of a user', () => {
  it('says where it is found', () => {
    expect(compileMatcher('b+', plain).find(['abb', 'x', 'b'])).toEqual([1, -1, 0]);
  });

  it('is taken literally when asked to, in either case', () => {
    expect(compileMatcher('a.(', { ...plain, literal: true }).find(['xa.(', 'abc('])).toEqual([1, -1]);
    expect(compileMatcher('A.', { literal: true, ignoreCase: true }).find(['xa.', 'ab'])).toEqual([1, -1]);
  });

  it('may be one that only the old syntax allows', () => {
    expect(compileMatcher('\\-x', plain).find(['-x'])).toEqual([0]);
  });

  it('is refused with the reason when it is none', () => {
    expect(() => compileMatcher('(a', plain)).toThrow(/not a valid regular expression: .*group/);
  });

  it('is given up when it would take for ever', () => {
    const matcher = compileMatcher('^(a+)+$', plain);
    expect(() => matcher.find([`${'a'.repeat(60)}!`])).toThrow(
      expect.objectContaining({ code: 'bad_request', message: expect.stringContaining('too long') }),
    );
    expect(matcher.find(['aaa'])).toEqual([0]);
  });
});
