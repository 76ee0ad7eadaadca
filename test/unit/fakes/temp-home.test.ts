import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createTempHome } from '../../fakes/temp-home.ts';

it('gives each caller a directory of its own', async () => {
  await using first = await createTempHome();
  await using second = await createTempHome();
  expect(first.path).not.toBe(second.path);
  expect(existsSync(first.path)).toBe(true);
});

it('removes the directory with its content at the end of the scope', async () => {
  let path: string;
  {
    await using home = await createTempHome();
    path = home.path;
    await mkdir(home.join('security', 'deep'), { recursive: true });
    await writeFile(home.join('security', 'deep', 'file'), 'content', { mode: 0o400 });
  }
  expect(existsSync(path)).toBe(false);
});

it('may be removed twice', async () => {
  const home = await createTempHome();
  await home.remove();
  await home.remove();
  expect(existsSync(home.path)).toBe(false);
});
