import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copiedError, copiedFrom, platformInstance } from '../../../../agent/identity/instance.ts';
import { diskLayout, trustEntries } from '../../../../protocol/disk-layout.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

describe('the platform’s name for a machine', () => {
  it('is what cloud-init keeps', async () => {
    await using home = await createTempHome();
    const file = join(home.path, 'instance-id');
    expect(await platformInstance(file)).toBeUndefined();
    await writeFile(file, 'i-0123\n');
    expect(await platformInstance(file)).toBe('i-0123');
  });

  it('is not known on a boot at which cloud-init found no platform', async () => {
    await using home = await createTempHome();
    const file = join(home.path, 'instance-id');
    await writeFile(file, 'iid-datasource-none\n');
    expect(await platformInstance(file)).toBeUndefined();
  });
});

describe('an identity', () => {
  it.each([
    ['on the instance where it was made', 'i-1', 'i-1', undefined],
    ['on another one', 'i-1', 'i-2', { from: 'i-1', here: 'i-2' }],
    ['where no platform tells', 'i-1', undefined, undefined],
    ['that nobody told where it was made', undefined, 'i-2', undefined],
  ])('%s', async (_, made, here, copied) => {
    await using home = await createTempHome();
    const layout = diskLayout(home.path);
    await mkdir(layout.trust);
    if (made !== undefined) await writeFile(trustEntries(layout).instance.path, `${made}\n`);
    expect(await copiedFrom(layout, here)).toEqual(copied);
  });

  it('of another machine is refused with both names and both ways out', () => {
    const error = copiedError({ from: 'i-1', here: 'i-2' });
    expect(error.code).toBe('machine_copied');
    expect(error.message).toMatch(/i-1.*i-2.*Nothing was sent/);
    expect(error.hint).toMatch(/--token-stdin.*--same-machine/);
  });
});
