import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textMatches, textsOf } from '../../../protocol/text-pattern.ts';

describe('patterns for commands', () => {
  it('know * and ?, over lines and slashes, and nothing else', () => {
    expect(textMatches('*rm -rf*', 'cd /srv\nrm -rf ./x')).toBe(true);
    expect(textMatches('systemctl stop ?*', 'systemctl stop nginx')).toBe(true);
    expect(textMatches('systemctl stop ?*', 'systemctl stop ')).toBe(false);
    expect(textMatches('a.c', 'abc')).toBe(false);
    expect(textMatches('[a]', 'a')).toBe(false);
    expect(textMatches('', '')).toBe(true);
  });

  it('mean what the same regular expression means', () => {
    const piece = fc.constantFrom('a', 'b', '*', '?');
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.constantFrom('a', 'b')), (pattern, text) => {
        const source = pattern.map((one) => (one === '*' ? '.*' : one === '?' ? '.' : one)).join('');
        const expected = new RegExp(`^${source.replace(/(\.\*)+/g, '.*')}$`, 's').test(text.join(''));
        expect(textMatches(pattern.join(''), text.join(''))).toBe(expected);
      }),
    );
  });

  it('[approval-5] cannot hold a program up', () => {
    const text = 'a'.repeat(100_000);
    let steps = 0;
    // Each step of the matcher reads one character of the text.
    const counted = new Proxy(new Object(text), {
      get(target, name) {
        if (name === 'length') return text.length;
        steps += 1;
        return Reflect.get(target, name, target);
      },
    }) as string;
    expect(textMatches('*a*a*a*a*a*a*a*b', counted)).toBe(false);
    expect(steps).toBeLessThan(16 * text.length);
  });

  it('look at every text of the arguments', () => {
    expect(textsOf({ command: 'sh', stdin: 'rm', env: { A: ['x'] }, timeout: 3 })).toEqual([
      'sh',
      'rm',
      'x',
      JSON.stringify({ command: 'sh', stdin: 'rm', env: { A: ['x'] }, timeout: 3 }),
    ]);
  });
});
