import { readFile, stat, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { packTar, type TarEntry } from 'modern-tar';
import { describe, expect, it } from 'vitest';
import { exists } from '../../../provision/files.ts';
import { unpack, unpackedSize } from '../../../provision/unpack.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';

async function archiveOf(home: TempHome, entries: TarEntry[]): Promise<string> {
  const path = home.join('a.tar.gz');
  await writeFile(path, gzipSync(await packTar(entries)));
  return path;
}
const file = (name: string, body: string, mode = 0o644): TarEntry => ({
  header: { name, size: Buffer.byteLength(body), mode },
  body,
});

describe('an archive', () => {
  it('is unpacked with plain modes, whatever it claims', async () => {
    await using home = await createTempHome();
    const path = await archiveOf(home, [file('a/b', 'text', 0o666), file('node', '#!', 0o777)]);
    await unpack(path, home.join('out'));
    expect(await readFile(home.join('out/a/b'), 'utf8')).toBe('text');
    expect((await stat(home.join('out/a/b'))).mode & 0o7777).toBe(0o644);
    expect((await stat(home.join('out/node'))).mode & 0o7777).toBe(0o755);
    expect(await unpackedSize(path)).toBeGreaterThan(1024);
  });

  it.each([
    ['a name that leads out', file('../evil', 'x')],
    ['an absolute name', file('/tmp/evil-absolute', 'x')],
    ['a symbolic link', { header: { name: 'l', size: 0, type: 'symlink' as const, linkname: '/etc' } }],
    ['a set-uid bit', file('su', '#!', 0o4755)],
    ['a device', { header: { name: 'd', size: 0, type: 'character-device' as const } }],
    ['a name that comes twice', file('a', 'y')],
    ['a file below a file', file('a/b', 'y')],
    ['a name in two spellings', file('./a', 'y')],
    ['a hard link', { header: { name: 'l', size: 0, type: 'link' as const, linkname: 'a' } }],
  ])('is refused with %s', async (_what, entry) => {
    await using home = await createTempHome();
    const path = await archiveOf(home, [file('a', 'x'), entry]);
    await expect(unpack(path, home.join('out'))).rejects.toThrow();
    expect(await exists(home.join('evil'))).toBe(false);
    expect(await exists('/tmp/evil-absolute')).toBe(false);
  });

  it('is refused before a byte of a file is written that is larger than the limit', async () => {
    await using home = await createTempHome();
    const path = await archiveOf(home, [file('bomb', '0'.repeat(1_000_000))]);
    await expect(unpack(path, home.join('out'), { bytes: 999_999, entries: 10 })).rejects.toThrow(
      /more than/,
    );
    expect(await exists(home.join('out/bomb'))).toBe(false);
  });

  it('is refused when it is cut off', async () => {
    await using home = await createTempHome();
    const path = await archiveOf(home, [file('a', 'x'.repeat(100_000))]);
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 20));
    await expect(unpack(path, home.join('out'))).rejects.toThrow();
  });
});
