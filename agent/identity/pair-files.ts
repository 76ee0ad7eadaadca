import { readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { syncDirectory, writeFileAtomic } from '../../base/atomic-file.ts';
import { type DiskLayout, nextPairEntries, securityEntry } from '../../protocol/disk-layout.ts';
import { choosePair, type FoundPairs } from './pair.ts';
import { readText } from './text-file.ts';

/** How the halves of a pair come to disk. Each step is durable when it resolves. */
export interface PairDisk {
  write(entry: { path: string; mode: number }, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

const absent = (cause: unknown): void => {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
};

export const pairDisk: PairDisk = {
  write: ({ path, mode }, text) => writeFileAtomic(path, `${text.trimEnd()}\n`, { mode }),
  async rename(from, to) {
    await rename(from, to).catch(absent);
    await syncDirectory(dirname(to));
  },
  remove: (path) => unlink(path).catch(absent),
};

/** Readers and a switch do not wait for each other: what was read half before and half after is read again. */
const READS = 3;

/** Undefined when a key or a certificate is missing. Changes nothing. */
export async function readPairs(layout: DiskLayout): Promise<FoundPairs | undefined> {
  const next = nextPairEntries(layout);
  const read = async (path: string) => (await readText(path))?.trim() || undefined;
  for (let reads = 1; ; reads++) {
    const key = await read(securityEntry(layout, 'key').path);
    const certificate = await read(securityEntry(layout, 'certificate').path);
    if (key === undefined || certificate === undefined) return undefined;
    const nextKey = await read(next.key.path);
    const nextCertificate = await read(next.certificate.path);
    const found = choosePair({ key, certificate, nextKey, nextCertificate });
    if (!found.broken || reads === READS) return found;
  }
}

/** The new pair takes its place: the certificate, then its request, and the key at last. */
export async function switchPair(layout: DiskLayout, disk: PairDisk): Promise<void> {
  const next = nextPairEntries(layout);
  for (const file of ['certificate', 'csr', 'key'] as const)
    await disk.rename(next[file].path, securityEntry(layout, file).path);
}

export async function discardNext(layout: DiskLayout, disk: PairDisk): Promise<void> {
  const next = nextPairEntries(layout);
  for (const file of ['certificate', 'csr', 'key'] as const) await disk.remove(next[file].path);
}

/** What a write that was cut off leaves beside the files of a renewal. Nobody but the daemon writes those. */
function isDraft(layout: DiskLayout, name: string): boolean {
  const of = Object.values(nextPairEntries(layout)).map(({ path }) => basename(path));
  return name.endsWith('.tmp') && of.some((file) => name.startsWith(`${file}.`));
}

/** After a crash: ends a switch that was begun, and removes drafts and what belongs to nothing. */
export async function settlePairs(layout: DiskLayout, disk: PairDisk): Promise<void> {
  for (const name of await readdir(layout.security))
    if (isDraft(layout, name)) await disk.remove(`${layout.security}/${name}`);
  const found = await readPairs(layout);
  if (found === undefined || found.broken) return;
  const { next, unfinished } = found;
  if (unfinished === 'key') return switchPair(layout, disk);
  if (unfinished === 'certificate') {
    // The key has taken its place already, and only one can.
    const own = nextPairEntries(layout);
    await disk.remove(own.key.path);
    await disk.rename(own.csr.path, securityEntry(layout, 'csr').path);
    return disk.rename(own.certificate.path, securityEntry(layout, 'certificate').path);
  }
  if (next === undefined) await discardNext(layout, disk);
  else if (next.certificate === undefined) await disk.remove(nextPairEntries(layout).certificate.path);
}
