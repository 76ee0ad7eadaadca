import { gunzipSync } from 'node:zlib';
import { unpackTar } from 'modern-tar';
import { describe, expect, it } from 'vitest';
import { archive } from '../../../../scripts/build/archive.ts';

const entries = [
  { name: 'units/b.service', body: Buffer.from('unit') },
  { name: 'a', body: Buffer.from('program'), executable: true },
];

describe('archive', () => {
  it('gives the same bytes whatever the order of the entries', async () => {
    const [one, other] = await Promise.all([archive(entries), archive(entries.toReversed())]);
    expect(one.equals(other)).toBe(true);
  });

  it('holds the files sorted, owned by root and dated 1970', async () => {
    const unpacked = await unpackTar(gunzipSync(await archive(entries)));
    expect(
      unpacked.map(({ header, data }) => [header.name, header.mode, Buffer.from(data ?? []).toString()]),
    ).toEqual([
      ['a', 0o755, 'program'],
      ['units/b.service', 0o644, 'unit'],
    ]);
    for (const { header } of unpacked) {
      expect([header.uid, header.gid, header.mtime?.getTime()]).toEqual([0, 0, 0]);
    }
  });
});
