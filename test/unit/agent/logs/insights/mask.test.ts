import { describe, expect, it } from 'vitest';
import { countMarks, shown } from '../../../../../agent/logs/insights/mask.ts';

describe('what is shown of a log', () => {
  it.each([
    ['login of joe@example.com failed', 'login of [masked: e-mail address] failed'],
    ['user=joe password=hunter2 ok', 'user=joe password=[masked: secret by its name] ok'],
    ['{"api_key":"abc","n":1}', '{"api_key":"[masked: secret by its name]","n":1}'],
    ['Authorization: Bearer abcdefgh12345678', 'Authorization: Bearer [masked: authorization]'],
    ['get https://joe:pw@host/x', 'get https://[masked: password in an address]@host/x'],
    ['key AKIAIOSFODNN7EXAMPLE used', 'key [masked: access key] used'],
    ['token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc', 'token [masked: JWT]'],
    ['paid with 4111 1111 1111 1111', 'paid with [masked: card number]'],
    ['to DE89 3704 0044 0532 0130 00 today', 'to [masked: IBAN] today'],
  ])('%s', (text, wanted) => {
    expect(shown(text, 200)).toBe(wanted);
  });

  it.each([
    'took 1234567890123 ms',
    'blk_-1608999687919862906 deleted',
    'id 4111111111111112',
    'at 10.0.0.1:5432 by root@web-1',
    'GB12 is a code',
  ])('leaves alone: %s', (text) => {
    expect(shown(text, 200)).toBe(text);
  });

  it('takes out terminal sequences and invisible characters', () => {
    expect(shown('\x1b[31mred\x1b[0m\x1b]0;title\x07 a\0b\u202e', 100)).toBe('red ab');
  });

  it('cuts neither a mark nor a character in two', () => {
    expect(shown('12345 joe@example.com', 10)).toBe('12345 …');
    expect(shown('1234😀56', 5)).toBe('1234…');
  });

  it('counts the marks of an answer', () => {
    const texts = [shown('a@b.cc c@d.ee', 100), shown('password=x', 100)];
    expect(countMarks({ texts })).toEqual({ 'e-mail address': 2, 'secret by its name': 1 });
  });

  it('is quick on text that looks like much', () => {
    const nasty = [
      'token'.repeat(400),
      'a@'.repeat(1000),
      '1 '.repeat(1000),
      `${'a.'.repeat(1000)}@x`,
      '"secret":"'.repeat(200),
    ];
    for (const text of nasty) expect(shown(text, 100).length).toBeLessThanOrEqual(101);
  });
});
