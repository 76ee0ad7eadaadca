import { expect, it } from 'vitest';
import { hashPassword, NO_PASSWORD, verifyPassword } from '../../../../orchestrator/tenancy/secrets.ts';

it('knows a password again by its hash, which is another each time', async () => {
  const [one, two] = [await hashPassword('correct horse'), await hashPassword('correct horse')];
  expect(one).not.toBe(two);
  expect(await verifyPassword('correct horse', one)).toBe(true);
  expect(await verifyPassword('wrong', one)).toBe(false);
});

it('takes no password for an account that has none, or does not exist', async () => {
  for (const stored of [NO_PASSWORD, undefined]) {
    expect(await verifyPassword('', stored)).toBe(false);
    expect(await verifyPassword(NO_PASSWORD, stored)).toBe(false);
  }
});
