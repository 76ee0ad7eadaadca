import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createCsr, createKey } from '../../../../agent/identity/csr.ts';
import { belong, choosePair } from '../../../../agent/identity/pair.ts';
import {
  type PairDisk,
  pairDisk,
  readPairs,
  settlePairs,
  switchPair,
} from '../../../../agent/identity/pair-files.ts';
import { diskLayout, nextPairEntries, securityEntry } from '../../../../protocol/disk-layout.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

const AGENT = 'agt-01arz3ndektsv4rrffq69g5fav';
const ca = await createTestCa({ orgId: 'org-01arz3ndektsv4rrffq69g5fav' });
const newPair = async () => {
  const key = createKey().trim();
  const csr = await createCsr(key, 'vm-web-1-0a1b2c');
  const { certificate } = await ca.agent(AGENT, { publicKeyOfCsr: csr });
  return { key, csr: csr.trim(), certificate: certificate.trim() };
};
const old = await newPair();
const made = await newPair();
const other = await newPair();

async function homeWith(home: TempHome, next: Partial<typeof made> = {}) {
  const layout = diskLayout(home.path);
  await mkdir(layout.security);
  for (const file of ['key', 'csr', 'certificate'] as const) {
    await writeFile(securityEntry(layout, file).path, `${old[file]}\n`, { mode: 0o600 });
    const text = next[file];
    if (text !== undefined) await pairDisk.write(nextPairEntries(layout)[file], text);
  }
  return layout;
}

/** Does what it is asked to until it has taken so many steps; then the machine is off. */
function diskUntil(steps: number): PairDisk {
  let left = steps;
  const step =
    <A extends unknown[]>(work: (...args: A) => Promise<void>) =>
    async (...args: A) => {
      if (left-- <= 0) throw new Error('power failed');
      await work(...args);
    };
  return {
    write: step(pairDisk.write),
    rename: step(pairDisk.rename),
    remove: step(pairDisk.remove),
  };
}

describe('the pair in use', () => {
  const texts = { nextKey: undefined, nextCertificate: undefined };

  it('is the one whose halves belong together', () => {
    expect(belong(old.certificate, old.key)).toBe(true);
    expect(belong(old.certificate, made.key)).toBe(false);
    expect(belong('nonsense', 'nonsense')).toBe(false);
    const found = choosePair({ ...texts, ...old });
    expect(found).toEqual({
      current: { key: old.key, certificate: old.certificate },
      next: undefined,
      unfinished: undefined,
      broken: false,
    });
  });

  it('is the old one while the new one is made, and torn or foreign halves count as none', () => {
    const next = (nextKey: string, nextCertificate?: string) => {
      const found = choosePair({ ...old, nextKey, nextCertificate });
      expect(found.current.key).toBe(old.key);
      return found.next;
    };
    expect(next(made.key)).toEqual({ key: made.key, certificate: undefined });
    expect(next(made.key, made.certificate)).toEqual({ key: made.key, certificate: made.certificate });
    expect(next(made.key, other.certificate)).toEqual({ key: made.key, certificate: undefined });
    expect(next(made.key, made.certificate.slice(0, 300))).toEqual({ key: made.key, certificate: undefined });
    expect(next(made.key.slice(0, 60))).toBeUndefined();
  });

  it('is said to be broken when nothing belongs to anything', () => {
    expect(choosePair({ ...texts, key: other.key, certificate: old.certificate }).broken).toBe(true);
  });
});

describe('a switch of pairs [cert-3]', () => {
  const steps = [0, 1, 2, 3];

  it.each(steps)(
    'that is cut off after %i steps leaves a pair, and the next start ends it',
    async (after) => {
      await using home = await createTempHome();
      const layout = await homeWith(home, made);
      await switchPair(layout, diskUntil(after)).catch(() => undefined);
      const found = await readPairs(layout);
      expect(found?.broken).toBe(false);
      expect(belong(found?.current.certificate, found?.current.key)).toBe(true);
      expect(found?.current.key).toBe(after === 0 ? old.key : made.key);

      await settlePairs(layout, pairDisk);
      const settled = await readPairs(layout);
      expect(settled?.current).toEqual(found?.current);
      expect(settled?.next?.key).toBe(after === 0 ? made.key : undefined);
      if (after === 0) return;
      expect((await readdir(layout.security)).sort()).toEqual([
        'vm_agent.crt',
        'vm_agent.csr',
        'vm_agent.key',
      ]);
      for (const file of ['key', 'csr', 'certificate'] as const)
        expect((await readFile(securityEntry(layout, file).path, 'utf8')).trim()).toBe(made[file]);
    },
  );

  it.each(steps)(
    'whose end was itself cut off after %i steps is ended by the start after that',
    async (after) => {
      await using home = await createTempHome();
      const layout = await homeWith(home, made);
      await switchPair(layout, diskUntil(1)).catch(() => undefined);
      await settlePairs(layout, diskUntil(after)).catch(() => undefined);
      expect((await readPairs(layout))?.current.key).toBe(made.key);
      await settlePairs(layout, pairDisk);
      expect((await readPairs(layout))?.current).toEqual({ key: made.key, certificate: made.certificate });
    },
  );

  it('is understood where the file system kept only the key’s step', async () => {
    await using home = await createTempHome();
    const layout = await homeWith(home, made);
    const next = nextPairEntries(layout);
    await pairDisk.rename(next.key.path, securityEntry(layout, 'key').path);
    expect((await readPairs(layout))?.current.key).toBe(made.key);
    await settlePairs(layout, pairDisk);
    expect((await readPairs(layout))?.unfinished).toBeUndefined();
    expect(await readdir(layout.security)).toHaveLength(3);
  });
});

it('clears away what belongs to nothing, drafts of keys above all, and keeps a pair that waits', async () => {
  await using home = await createTempHome();
  const layout = await homeWith(home, { key: made.key, certificate: other.certificate });
  const draft = `${nextPairEntries(layout).key.path}.0123456789ab.tmp`;
  await writeFile(draft, made.key, { mode: 0o600 });
  await settlePairs(layout, pairDisk);
  expect((await readdir(layout.security)).sort()).toEqual([
    'vm_agent.crt',
    'vm_agent.csr',
    'vm_agent.key',
    'vm_agent.key.next',
  ]);
  expect((await stat(nextPairEntries(layout).key.path)).mode & 0o777).toBe(0o600);
});
