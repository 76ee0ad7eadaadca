import { chown, mkdir, readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { refuseStart } from '../../../cli/refuse-start.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { CLI, runProgram } from '../../integration/support/installer.ts';

describe('the start of the daemon', () => {
  it('is refused on a machine without an identity, before any file is made', async () => {
    await using home = await createTempHome();
    const words = [process.execPath, CLI, 'server', '--home', home.path];
    const { code, out, err } = await runProgram(words);
    expect({ code, out }).toEqual({ code: 26, out: '' });
    expect(err).toMatch(/not enrolled/);
    expect(err).toMatch(/what to do: .*vm-agent install/);
    expect(await readdir(home.path)).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)('is refused to root where all belongs to the service', async () => {
    await using home = await createTempHome();
    const layout = { ...diskLayout(home.path), home: undefined };
    await mkdir(layout.security);
    await expect(refuseStart(layout, 0)).rejects.toThrow(expect.objectContaining({ code: 'not_enrolled' }));
    await chown(layout.security, 65_534, 65_534);
    await expect(refuseStart(layout, 0)).rejects.toThrow(
      expect.objectContaining({ code: 'bad_request', hint: expect.stringContaining('runuser -u vm-agent') }),
    );
  });
});
