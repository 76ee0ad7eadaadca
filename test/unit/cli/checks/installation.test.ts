import { chmod, mkdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { INSTALLATION_CHECKS } from '../../../../cli/checks/installation.ts';
import { directories, diskLayout } from '../../../../protocol/disk-layout.ts';
import { sealFolder } from '../../../../provision/seal.ts';
import { fakeBench, findingsOf } from '../../../fakes/fake-bench.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

async function installed() {
  const home = await createTempHome();
  const layout = diskLayout(home.path);
  for (const { path, mode } of directories(layout)) {
    await mkdir(path, { recursive: true });
    await chmod(path, mode);
  }
  for (const version of ['0.9.0', '0.10.0']) {
    await mkdir(`${layout.versions}/${version}`);
    await writeFile(`${layout.versions}/${version}/vm-agent.mjs`, version);
    await sealFolder(`${layout.versions}/${version}`, 'abc');
  }
  await symlink('versions/0.9.0', layout.current);
  await mkdir(home.join('bin'));
  await symlink(`${layout.current}/bin/vm-agent`, home.join('bin/vm-agent'));
  await writeFile(`${layout.security}/api_key`, 'key', { mode: 0o600 });
  await chmod(home.path, 0o755);
  return { home, layout, bench: fakeBench(home.path, { system: true }) };
}

const failed = (found: Awaited<ReturnType<typeof findingsOf>>) =>
  found.filter(({ result }) => result === 'fail').map(({ id }) => id);

describe('the installation', () => {
  it('is found whole', async () => {
    const { home, bench } = await installed();
    await using _ = home;
    expect((await findingsOf(INSTALLATION_CHECKS, bench)).map(({ result }) => result)).toEqual(
      Array(5).fill('ok'),
    );
  });

  it('is found missing, with all that needs it', async () => {
    await using home = await createTempHome();
    const found = await findingsOf(INSTALLATION_CHECKS, fakeBench(home.join('nowhere')));
    expect(found.map(({ result }) => result)).toEqual(['fail', ...Array(4).fill('skipped')]);
  });

  it('names a program that was changed', async () => {
    const { home, bench, layout } = await installed();
    await using _ = home;
    await writeFile(`${layout.versions}/0.9.0/vm-agent.mjs`, 'changed');
    const found = await findingsOf(INSTALLATION_CHECKS, bench);
    expect(failed(found)).toEqual(['bundle']);
    expect(found.find(({ id }) => id === 'bundle')?.detail).toContain('vm-agent.mjs');
  });

  it('gets missing links back, to the newest version', async () => {
    const { home, bench, layout } = await installed();
    await using _ = home;
    await rm(layout.current);
    await rm(home.join('bin/vm-agent'));
    expect(failed(await findingsOf(INSTALLATION_CHECKS, bench))).toEqual(['link.current', 'link.command']);
    expect(failed(await findingsOf(INSTALLATION_CHECKS, bench, 'fix'))).toEqual([]);
    expect(await readlink(layout.current)).toBe('versions/0.10.0');
    expect(await readlink(home.join('bin/vm-agent'))).toBe(`${layout.current}/bin/vm-agent`);
  });

  it('leaves another program of that name alone', async () => {
    const { home, bench } = await installed();
    await using _ = home;
    await rm(home.join('bin/vm-agent'));
    await writeFile(home.join('bin/vm-agent'), 'somebody else’s');
    const found = await findingsOf(INSTALLATION_CHECKS, bench, 'fix');
    expect(found.find(({ id }) => id === 'link.command')).toMatchObject({ result: 'info' });
    expect(await readFile(home.join('bin/vm-agent'), 'utf8')).toBe('somebody else’s');
  });

  it('gets its modes back, and says which they were', async () => {
    const { home, bench, layout } = await installed();
    await using _ = home;
    await chmod(layout.security, 0o755);
    await chmod(`${layout.security}/api_key`, 0o644);
    const [finding] = (await findingsOf(INSTALLATION_CHECKS, bench)).filter(({ id }) => id === 'files');
    expect(finding?.detail.split('\n')).toEqual([
      `${layout.security} has mode 0755 instead of 0700`,
      `${layout.security}/api_key has mode 0644 instead of 0600`,
    ]);
    expect(failed(await findingsOf(INSTALLATION_CHECKS, bench, 'fix'))).toEqual([]);
    expect((await stat(`${layout.security}/api_key`)).mode & 0o777).toBe(0o600);
  });

  it('does not follow a link in a key’s place', async () => {
    const { home, bench, layout } = await installed();
    await using _ = home;
    await writeFile(home.join('victim'), 'x', { mode: 0o644 });
    await rm(`${layout.security}/api_key`);
    await symlink(home.join('victim'), `${layout.security}/api_key`);
    expect(failed(await findingsOf(INSTALLATION_CHECKS, bench, 'fix'))).toEqual(['files']);
    expect((await stat(home.join('victim'))).mode & 0o777).toBe(0o644);
  });
});
