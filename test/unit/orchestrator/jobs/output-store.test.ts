import { mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOutputStore, type OutputStore } from '../../../../orchestrator/jobs/output-store.ts';

let directory: string;
let files: OutputStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'output-'));
  files = createOutputStore(directory);
});
afterEach(async () => {
  await files.close();
  await rm(directory, { recursive: true });
});

const key = { organizationId: 'org-1', commandId: 'cmd-1', stream: 'stdout' } as const;

describe('the files of commands’ output', () => {
  it('hold each stream apart, readable by their owner alone', async () => {
    await files.write(key, 0, [Buffer.from('out')]);
    await files.write({ ...key, stream: 'stderr' }, 0, [Buffer.from('err')]);
    expect((await readdir(join(directory, 'org-1'))).toSorted()).toEqual(['cmd-1.stderr', 'cmd-1.stdout']);
    expect((await stat(join(directory, 'org-1', 'cmd-1.stdout'))).mode & 0o777).toBe(0o600);
    expect((await files.read({ ...key, stream: 'stderr' }, 0, 10)).toString()).toBe('err');
  });

  it('take many chunks at an offset, empty ones too', async () => {
    await files.write(key, 0, [Buffer.from('ab')]);
    await files.write(key, 2, [Buffer.from('c'), Buffer.alloc(0), Buffer.from('def')]);
    expect((await files.read(key, 1, 4)).toString()).toBe('bcde');
  });

  it('write over what somebody left who died before his commit', async () => {
    await files.write(key, 0, [Buffer.from('abcXXXX')]);
    await files.write(key, 3, [Buffer.from('de')]);
    expect((await files.read(key, 0, 5)).toString()).toBe('abcde');
  });

  it('stay few, however many streams are written', async () => {
    const ofThisProcess = async () => {
      const links = await readdir('/proc/self/fd');
      const targets = await Promise.all(links.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
      return targets.filter((target) => target.startsWith(directory)).length;
    };
    for (let i = 0; i < 100; i++) await files.write({ ...key, commandId: `cmd-${i}` }, 0, [Buffer.from('x')]);
    expect(await ofThisProcess()).toBeLessThanOrEqual(65);
    files.release({ ...key, commandId: 'cmd-99' });
    await files.write({ ...key, commandId: 'cmd-99' }, 1, [Buffer.from('y')]);
    expect((await files.read({ ...key, commandId: 'cmd-99' }, 0, 9)).toString()).toBe('xy');
    await files.close();
    expect(await ofThisProcess()).toBe(0);
  });

  it('are empty when nothing came', async () => {
    expect(await files.read(key, 0, 10)).toHaveLength(0);
  });

  it('follow no link', async () => {
    await files.write(key, 0, [Buffer.from('x')]);
    await writeFile(join(directory, 'secret'), 'secret');
    await symlink(join(directory, 'secret'), join(directory, 'org-1', 'cmd-2.stdout'));
    await expect(files.read({ ...key, commandId: 'cmd-2' }, 0, 10)).rejects.toThrow('ELOOP');
    await expect(files.write({ ...key, commandId: 'cmd-2' }, 0, [Buffer.from('y')])).rejects.toThrow('ELOOP');
  });
});
