import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diskLayout, replacementFolder, replacementLayout } from '../../../../protocol/disk-layout.ts';
import { isSwitchUnderWay, switchIdentity } from '../../../../provision/steps/switch-identity.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const FILES = ['trust/enrolment.json', 'trust/ca_pins.json', 'security/vm_id', 'security/vm_agent.key'];

/** An old identity, a new one beside it, and what the old agent left. */
async function prepared(root: string) {
  const layout = diskLayout(root);
  const made = replacementFolder(layout, 'made');
  const write = async (path: string, text: string) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  for (const file of FILES) {
    await write(join(root, file), 'old');
    await write(join(made, file), 'new');
  }
  await write(join(layout.state, 'journal.db'), 'old');
  await write(join(layout.log, 'agent.log'), 'kept');
  const asked: string[] = [];
  const step = switchIdentity({
    layout,
    mode: 'system',
    port: undefined,
    note: () => undefined,
    clock: createFakeClock(),
    host: {
      run: async (_file: string, [word = '']: readonly string[]) => {
        asked.push(word);
        return { code: word === 'is-active' ? 3 : 0, stdout: '', stderr: '' };
      },
    } as unknown as Parameters<typeof switchIdentity>[0]['host'],
  });
  return { layout, step, asked };
}

const contents = (root: string) => Promise.all(FILES.map((file) => readFile(join(root, file), 'utf8')));

describe('the change to a new identity', () => {
  it('moves every file, takes the old journal away and leaves the logs', async () => {
    await using home = await createTempHome();
    const { step, asked } = await prepared(home.path);
    await step.apply();
    expect(await contents(home.path)).toEqual(['new', 'new', 'new', 'new']);
    expect(asked[0]).toBe('stop');
    expect((await readdir(home.path)).sort()).toEqual(['log', 'security', 'state', 'trust']);
    expect(await readdir(home.join('state'))).toEqual([]);
    expect(await readdir(home.join('log'))).toEqual(['agent.log']);
  });

  it('is finished by a later run wherever it was cut off', async () => {
    for (let moved = 0; moved <= FILES.length; moved++) {
      await using home = await createTempHome();
      const { layout, step } = await prepared(home.path);
      expect(await isSwitchUnderWay(layout)).toBe(false);
      await rename(replacementFolder(layout, 'made'), replacementFolder(layout, 'granted'));
      expect(await isSwitchUnderWay(layout)).toBe(true);
      const granted = replacementLayout(layout, 'granted');
      for (const file of FILES.slice(0, moved))
        await rename(join(dirname(granted.trust), file), join(layout.root, file));
      await step.apply();
      expect(await contents(home.path), `cut off after ${moved} files`).toEqual(['new', 'new', 'new', 'new']);
      expect(await isSwitchUnderWay(layout)).toBe(false);
    }
  });
});
