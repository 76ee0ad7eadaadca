import { lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../../base/atomic-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  it('writes the mode that was asked for, whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      await writeFileAtomic(join(dir, 'a'), 'text', { mode: 0o644 });
      process.umask(0);
      await writeFileAtomic(join(dir, 'b'), 'text', { mode: 0o600 });
    } finally {
      process.umask(before);
    }
    expect((await stat(join(dir, 'a'))).mode & 0o777).toBe(0o644);
    expect((await stat(join(dir, 'b'))).mode & 0o777).toBe(0o600);
  });

  it('replaces a link instead of writing through it', async () => {
    await writeFile(join(dir, 'target'), 'keep');
    await symlink(join(dir, 'target'), join(dir, 'link'));
    await writeFileAtomic(join(dir, 'link'), 'new', { mode: 0o600 });
    expect(await readFile(join(dir, 'target'), 'utf8')).toBe('keep');
    expect((await lstat(join(dir, 'link'))).isSymbolicLink()).toBe(false);
  });

  it('leaves nothing beside the target when it fails', async () => {
    await expect(writeFileAtomic(join(dir, 'missing', 'x'), 'text', { mode: 0o600 })).rejects.toThrow(
      /ENOENT/,
    );
    await expect(writeFileAtomic(dir, 'text', { mode: 0o600 })).rejects.toThrow();
    expect(await readdir(dir)).toEqual([]);
  });
});
