import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob } from '../../../../agent/files/glob.ts';

const fits = (glob: string, path: string) => compileGlob(glob)(path);

describe('a glob', () => {
  it.each([
    ['*.log', 'a.log', true],
    ['*.log', 'deep/down/a.log', true],
    ['*.log', 'a.log.1', false],
    ['src/*.ts', 'src/a.ts', true],
    ['src/*.ts', 'src/b/a.ts', false],
    ['/src/*.ts', 'src/a.ts', true],
    ['src/**/*.ts', 'src/a.ts', true],
    ['src/**/*.ts', 'src/b/c/a.ts', true],
    ['**/b/*', 'a/b/c', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[]x', '[]x', true],
    ['*.{ts,js}', 'a.js', true],
    ['{a,b{c,d}}.x', 'bd.x', true],
    ['{a}', '{a}', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['€*', '€uro', true],
  ] as const)('%s and %s: %s', (glob, path, expected) => {
    expect(fits(glob, path)).toBe(expected);
  });

  it('is matched in little time however it is made', () => {
    expect(fits(`${'*a'.repeat(400)}b`, 'a'.repeat(4000))).toBe(false);
    expect(fits(`${'**/a/'.repeat(100)}b`, 'a/'.repeat(1000))).toBe(false);
  });

  it('refuses a flood of alternatives', () => {
    expect(() => compileGlob('{a,b}'.repeat(20))).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  it('fits itself when it has no special characters', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z.]{1,8}(\/[a-z.]{1,8}){1,3}$/), (path) => {
        expect(fits(path, path.replace(/^\.?\//, ''))).toBe(true);
      }),
    );
  });
});
