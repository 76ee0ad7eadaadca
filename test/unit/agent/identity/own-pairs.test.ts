import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Credentials } from '../../../../agent/identity/credentials.ts';
import { createCsr, createKey } from '../../../../agent/identity/csr.ts';
import { createOwnPairs } from '../../../../agent/identity/own-pairs.ts';
import { type PairDisk, pairDisk, readPairs } from '../../../../agent/identity/pair-files.ts';
import { silentLogger } from '../../../../base/logger.ts';
import { diskLayout, securityEntry } from '../../../../protocol/disk-layout.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

const AGENT = 'agt-01arz3ndektsv4rrffq69g5fav';
const VM = 'vm-web-1-0a1b2c';
const ca = await createTestCa({ orgId: 'org-01arz3ndektsv4rrffq69g5fav' });

async function certificateFor(key: string): Promise<string> {
  const { certificate } = await ca.agent(AGENT, { publicKeyOfCsr: await createCsr(key, VM) });
  return certificate.trim();
}

async function startPairs(disk: PairDisk = pairDisk) {
  const home = await createTempHome();
  const layout = diskLayout(home.path);
  await mkdir(layout.security);
  const key = createKey().trim();
  const certificate = await certificateFor(key);
  await writeFile(securityEntry(layout, 'key').path, key);
  await writeFile(securityEntry(layout, 'certificate').path, certificate);
  const switched: string[] = [];
  const pairs = createOwnPairs({
    layout,
    disk,
    log: silentLogger,
    credentials: {
      vmId: VM,
      agentId: AGENT,
      key,
      certificate,
      ca: ca.rootPem,
      roots: [],
    } as unknown as Credentials,
    onSwitched: (now) => switched.push(now.certificate),
  });
  return {
    pairs,
    layout,
    switched,
    old: certificate,
    /** A renewal as far as the certificate; returns that. */
    async renewed() {
      const next = await pairs.nextKey();
      const made = await certificateFor(next.key);
      await pairs.complete(made, undefined);
      return made;
    },
    names: async () => (await readdir(layout.security)).sort(),
    [Symbol.asyncDispose]: () => home.remove(),
  };
}

describe('a renewed pair', () => {
  it('is shown first, and takes its place when it is welcome', async () => {
    await using own = await startPairs();
    expect(own.pairs.toShow().cert).toBe(own.old);
    const made = await own.renewed();
    expect(own.pairs.toShow().cert).toBe(made);
    expect(own.pairs.current.certificate).toBe(own.old);
    own.pairs.taken(own.pairs.toShow(), 'welcomed');
    expect(own.switched).toEqual([made]);
    await own.pairs.settle();
    expect((await readPairs(own.layout))?.current.certificate).toBe(made);
    expect(await own.names()).toEqual(['vm_agent.crt', 'vm_agent.csr', 'vm_agent.key']);
  });

  it('stands back for the old one when it is refused, and neither is let go [cert-4]', async () => {
    await using own = await startPairs();
    const made = await own.renewed();
    own.pairs.taken(own.pairs.toShow(), 'refused');
    expect(own.pairs.toShow().cert).toBe(own.old);
    expect(own.pairs.isRefused).toBe(true);
    // The old one is refused as well: they are shown in turn.
    own.pairs.taken(own.pairs.toShow(), 'refused');
    expect(own.pairs.toShow().cert).toBe(made);
    expect((await readPairs(own.layout))?.current.certificate).toBe(own.old);
    expect(own.switched).toEqual([]);
  });

  it('is asked for with the key that was made before, until there is an answer', async () => {
    await using own = await startPairs();
    const { key } = await own.pairs.nextKey();
    expect((await own.pairs.nextKey()).key).toBe(key);
    await own.pairs.discard();
    expect((await own.pairs.nextKey()).key).not.toBe(key);
  });

  it('whose place cannot be taken on disk is used all the same, and its only copy is not written over', async () => {
    let full = true;
    const disk: PairDisk = {
      ...pairDisk,
      rename: (from, to) =>
        full ? Promise.reject(Object.assign(new Error('full'), { code: 'EIO' })) : pairDisk.rename(from, to),
    };
    await using own = await startPairs(disk);
    const made = await own.renewed();
    own.pairs.taken(own.pairs.toShow(), 'welcomed');
    expect(own.pairs.toShow().cert).toBe(made);
    await expect(own.pairs.nextKey()).rejects.toThrow('full');
    const found = await readPairs(own.layout);
    expect(found?.next?.certificate).toBe(made);
    full = false;
    await own.pairs.nextKey();
    expect((await readPairs(own.layout))?.current.certificate).toBe(made);
  });
});
