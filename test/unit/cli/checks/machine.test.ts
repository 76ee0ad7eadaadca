import { describe, expect, it } from 'vitest';
import { MACHINE_CHECKS } from '../../../../cli/checks/machine.ts';
import { compareVersions, newestFirst } from '../../../../cli/checks/versions.ts';
import { fakeBench, fakeHost, findingsOf } from '../../../fakes/fake-bench.ts';

const results = async (over: Parameters<typeof fakeBench>[1]) => {
  const found = await findingsOf(MACHINE_CHECKS, fakeBench('/nowhere', { system: true, ...over }));
  return Object.fromEntries(found.map(({ id, result }) => [id, result]));
};
const room = (freeBytes: number, freeInodes: number) => async () => ({ freeBytes, freeInodes, inodes: 1e6 });

describe('the machine', () => {
  it('is found fit', async () => {
    expect(new Set(Object.values(await results({})))).toEqual(new Set(['ok']));
  });

  it.each<[string, Parameters<typeof fakeBench>[1], Record<string, string>]>([
    ['somebody without rights', { host: fakeHost({}, { uid: 1000 }) }, { rights: 'warn' }],
    [
      'a system without glibc',
      { host: fakeHost({}, { glibcVersion: () => undefined }) },
      { runtime: 'fail' },
    ],
    ['another processor', { host: fakeHost({}, { arch: 'riscv64' }) }, { runtime: 'fail' }],
    ['no systemd', { host: fakeHost({}, { which: async () => undefined }) }, { dependencies: 'fail' }],
    ['a full disk', { room: room(1000, 1e5) }, { 'disk.state': 'fail', 'disk.log': 'fail' }],
    ['a disk without inodes', { room: room(1e12, 3) }, { 'disk.state': 'fail' }],
    ['little room', { room: room(50e6, 1e5) }, { 'disk.programs': 'warn' }],
  ])('shows %s', async (_what, over, expected) => {
    expect(await results(over)).toMatchObject(expected);
  });

  it('needs no systemd for an installation of one’s own', async () => {
    const found = await results({
      system: false,
      host: fakeHost({}, { which: async () => undefined, uid: 1000 }),
    });
    expect(found).toMatchObject({ rights: 'ok', dependencies: 'ok' });
  });
});

describe('versions', () => {
  it('are ordered by their numbers, and what is before a release comes first', () => {
    expect(newestFirst(['0.9.0', '0.10.0', '0.10.0-rc.1'])).toEqual(['0.10.0', '0.10.0-rc.1', '0.9.0']);
    expect(compareVersions('1.0.0', '1.0.0')).toBe(0);
  });
});
