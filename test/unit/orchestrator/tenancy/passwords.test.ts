import { describe, expect, it } from 'vitest';
import { checkNewPassword, createPasswordCheck } from '../../../../orchestrator/tenancy/passwords.ts';
import { hashPassword } from '../../../../orchestrator/tenancy/secrets.ts';

describe('a new password', () => {
  it.each([
    'correct horse battery staple',
    'пять случайных слов',
    '漢字のパスワードでも十五文字で良い',
    'x9$kQ!mz2Lp@w7Rt',
    'admin of the tallest lighthouse',
  ])('may be %j', (password) => {
    expect(() => checkNewPassword(password, 'alice')).not.toThrow();
  });

  it.each([
    ['', 'alice'],
    ['short', 'alice'],
    ['fourteen chars', 'alice'],
    ['abcabcabcabcabcabc', 'alice'],
    ['abababababababababab', 'alice'],
    ['abcdefghijklmnopqrst', 'alice'],
    ['12345678901234567890', 'alice'],
    ['98765432109876543210', 'alice'],
    ['alice-alice-alice!!', 'alice'],
    ['VM-Agent Password 1', 'alice'],
    ['jane.doe@example.org1', 'jane.doe@example.org'],
  ])('may not be %j of %s', (password, username) => {
    expect(() => checkNewPassword(password, username)).toThrow(
      expect.objectContaining({ code: 'password_refused', hint: expect.stringContaining('at least 15') }),
    );
  });

  it('is measured in characters, not in the units of their encoding', () => {
    expect(() => checkNewPassword('🦊🐻🐼🦁🐯🐮🐷', 'alice')).toThrow('7 characters');
  });
});

it('is right however its characters were composed', async () => {
  const check = createPasswordCheck();
  const stored = await hashPassword('caf\u00e9 caf\u00e9 caf\u00e9');
  expect(await check('cafe\u0301 cafe\u0301 cafe\u0301', stored)).toBe(true);
  const older = await hashPassword('cafe\u0301');
  expect(await check('cafe\u0301', older)).toBe(true);
  expect(await check('cafe', older)).toBe(false);
});
