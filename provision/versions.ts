import { createHash } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '../base/atomic-file.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import type { InstallContext } from './context.ts';
import { exists, makeDirectory } from './files.ts';
import { NODE_FLAGS } from './node-flags.ts';
import { brokenFiles, readSeal, sealFolder } from './seal.ts';
import type { Source } from './source.ts';

/** Room for identity, logs and state beside the programs. */
const SPARE_BYTES = 32 * 1024 * 1024;

type Places = Pick<InstallContext, 'layout' | 'mode'>;

const launcher = (ctx: Places): string => {
  const root = ctx.layout.root.replaceAll("'", "'\\''");
  const home = ctx.mode === 'user' ? `: "\${VM_AGENT_HOME:=$root}"\nexport VM_AGENT_HOME\n` : '';
  return `#!/bin/sh\nroot='${root}'\n${home}exec "$root/current/runtime/node" ${NODE_FLAGS['vm-agent'].join(' ')} "$root/current/vm-agent.mjs" "$@"\n`;
};

/** What the version in this folder was made from; undefined when it was never complete. */
export const digestOf = async (folder: string): Promise<string | undefined> =>
  (await readSeal(folder))?.digest;

/** Whether every file is there as it was sealed, of this digest when one is given. */
export async function isWhole(folder: string, digest?: string): Promise<boolean> {
  const seal = await readSeal(folder);
  if (seal === undefined || (digest !== undefined && seal.digest !== digest)) return false;
  return (await brokenFiles(folder, seal)).length === 0;
}

/**
 * Name of a version's folder: its number. Other content of the same number gets a name of its own beside it, so that
 * the one that runs stays whole, and can be gone back to.
 */
export async function folderNameOf(
  layout: DiskLayout,
  { version, digest }: { version: string; digest: string },
): Promise<string> {
  const plain = join(layout.versions, version);
  if (!(await exists(plain)) || (await digestOf(plain)) === digest) return version;
  return `${version}+${createHash('sha256').update(digest).digest('hex').slice(0, 12)}`;
}

/**
 * Puts a version into `versions/`, complete or not at all, beside those that are there. Answers the folder's name.
 * `current` is the caller's to switch.
 * @throws AppError `disk_full` before anything is written, `signature_invalid`
 */
export async function placeVersion(ctx: Places & Pick<InstallContext, 'host' | 'source'>): Promise<string> {
  const { layout, source } = ctx;
  const { version, digest } = await source.identify();
  const name = await folderNameOf(layout, { version, digest });
  const folder = join(layout.versions, name);
  if (await isWhole(folder, digest)) return name;
  await makeDirectory(layout.versions, 0o755);
  await sweepVersions(layout);
  await checkSpace(ctx, source);
  const staging = join(layout.versions, `.staging-${name}`);
  await makeDirectory(staging, 0o755);
  await source.stage(staging);
  await makeDirectory(join(staging, 'bin'), 0o755);
  await writeFileAtomic(join(staging, 'bin/vm-agent'), launcher(ctx), { mode: 0o755 });
  await sealFolder(staging, digest);
  if (await exists(folder)) await rename(folder, join(layout.versions, `.old-${name}`));
  await rename(staging, folder);
  await syncDirectory(layout.versions);
  return name;
}

async function checkSpace(ctx: Pick<InstallContext, 'layout' | 'host'>, source: Source): Promise<void> {
  const { layout, host } = ctx;
  const [needed, free] = [(await source.size()) + SPARE_BYTES, await host.freeBytes(layout.root)];
  if (free >= needed) return;
  throw new AppError('disk_full', {
    detail: `${layout.root} needs ${megabytes(needed)} of free space and has ${megabytes(free)}.`,
    hint: 'Free some space there and run the same command again: it continues where this run stopped.',
    context: { needed_bytes: needed, free_bytes: free },
  });
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

/** Takes away what an interrupted run left. */
export async function sweepVersions(layout: DiskLayout): Promise<void> {
  for (const name of await readdir(layout.versions)) {
    if (name.startsWith('.staging-') || name.startsWith('.old-'))
      await rm(join(layout.versions, name), { recursive: true, force: true });
  }
}

/** Takes away every version but these. */
export async function pruneVersions(layout: DiskLayout, keep: readonly string[]): Promise<void> {
  for (const entry of await readdir(layout.versions, { withFileTypes: true })) {
    if (entry.isDirectory() && !keep.includes(entry.name))
      await rm(join(layout.versions, entry.name), { recursive: true, force: true });
  }
}
