import { describe, expect, it } from 'vitest';
import { lastWords } from '../../../provision/last-words.ts';

describe('the last words of an agent', () => {
  it('are a few short lines without what only machines read', () => {
    const line = (msg: string) =>
      JSON.stringify({
        time: '2026-11-23T16:42:29.000Z',
        level: 'warn',
        pid: 7,
        msg,
        err: { message: 'revoked', stack: 'x'.repeat(2000) },
      });
    const text = lastWords(`${Array.from({ length: 50 }, (_, i) => line(`try ${i}`)).join('\n')}\n`);
    expect(text.split('\n')).toEqual([
      ' Its last words:',
      ...[46, 47, 48, 49].map((i) => `  16:42:29 WARN try ${i} (revoked)`),
    ]);
  });

  it('may be plain text, cut where it is long, and nothing at all', () => {
    expect(lastWords('no such file\n')).toBe(' Its last words:\n  no such file');
    expect(lastWords('y'.repeat(5000)).length).toBeLessThan(200);
    expect(lastWords('\n')).toBe('');
  });
});
