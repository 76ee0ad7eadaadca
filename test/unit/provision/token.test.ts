import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readToken } from '../../../provision/token.ts';
import { createTempHome } from '../../fakes/temp-home.ts';

const TOKEN = `prov_${'a'.repeat(12)}_${'b'.repeat(40)}_${'0'.repeat(32)}`;
const none = async (): Promise<string> => {
  throw new Error('stdin was read');
};
const nothing = { stdin: false, env: undefined };

describe('the provisioning token', () => {
  it('comes from stdin, a file, an argument or the environment, without its line end', async () => {
    await using home = await createTempHome();
    await writeFile(home.join('t'), `${TOKEN}\n`);
    const wanted = { text: TOKEN, id: 'a'.repeat(12), caPin: '0'.repeat(32) };
    expect(await readToken({ ...nothing, stdin: true }, async () => `${TOKEN}\n`)).toEqual(wanted);
    expect(await readToken({ ...nothing, file: home.join('t') }, none)).toEqual(wanted);
    expect(await readToken({ ...nothing, argument: TOKEN }, none)).toEqual(wanted);
    expect(await readToken({ ...nothing, env: TOKEN }, none)).toEqual(wanted);
    expect(await readToken(nothing, none)).toBeUndefined();
  });

  it('is refused when it is none, and the text does not repeat what was given', async () => {
    await expect(readToken({ ...nothing, argument: 'hunter2' }, none)).rejects.toThrow(
      expect.objectContaining({
        code: 'token_invalid',
        message: expect.not.stringContaining('hunter2'),
        hint: expect.stringContaining('token create'),
      }),
    );
  });

  it('is refused when it is given twice', async () => {
    const twice = readToken({ stdin: true, argument: TOKEN, env: undefined }, none);
    await expect(twice).rejects.toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});
