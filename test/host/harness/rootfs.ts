// A root file system with systemd, built once for each recipe and kept in the user's cache.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { arch, homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AptSources, readAptOptions, readAptSources } from './apt-sources.ts';
import { runProgramOk } from './command.ts';
import { claim, isErrno, isOwnerAlive, readClaim } from './owner.ts';
import {
  excludedPaths,
  finishScript,
  forbiddenPrograms,
  packagesFor,
  type RootfsPurpose,
  requiredPrograms,
} from './rootfs-recipe.ts';

const buildTimeoutMs = 300_000;
const programFolders = ['usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin'];

export const cacheFolder = join(homedir(), '.cache/vm-agent');

/**
 * The directory of a root file system for this purpose, built if the cache has none (about 25 s and 120 MB). It is
 * shared: copy it, never boot it. Safe to call from several processes at once; the second waits for the first.
 */
export async function provideRootfs(purpose: RootfsPurpose = 'standard'): Promise<string> {
  const sources = readAptSources();
  const folder = join(cacheFolder, `rootfs-${recipeHash(purpose, sources)}`);
  mkdirSync(cacheFolder, { recursive: true });
  const lock = `${folder}.lock`;
  while (!existsSync(folder)) {
    if (claim(lock)) {
      try {
        if (!existsSync(folder)) await buildRootfs(purpose, sources, folder);
      } finally {
        rmSync(lock, { force: true });
      }
    } else {
      dropDeadLock(lock);
      await sleep(200);
    }
  }
  return folder;
}

function recipeHash(purpose: RootfsPurpose, sources: AptSources): string {
  const recipe = [arch(), sources, packagesFor[purpose], excludedPaths, finishScript];
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
}

async function buildRootfs(purpose: RootfsPurpose, sources: AptSources, folder: string): Promise<void> {
  const work = mkdtempSync(join(cacheFolder, 'building-'));
  try {
    const entries = sources.entries.map((entry, index) => {
      const file = join(work, `source-${index}`);
      writeFileSync(file, `${entry}\n`);
      return file;
    });
    const root = join(work, 'root');
    const hooks = '/usr/share/mmdebstrap/hooks/maybe-merged-usr';
    const argv = [
      'mmdebstrap',
      '--mode=root',
      '--variant=minbase',
      '--format=directory',
      ...(existsSync(hooks) ? [`--hook-dir=${hooks}`] : []),
      `--include=${packagesFor[purpose].join(',')}`,
      ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
      ...(await readAptOptions()).map((line) => `--aptopt=${line}`),
      `--customize-hook=${finishScript}`,
      sources.suite,
      root,
      ...entries,
    ];
    await runProgramOk(argv, { timeoutMs: buildTimeoutMs });
    assertContents(root, purpose);
    putInPlace(root, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Refuses a root that lacks what a server has, or that has what the product must bring by itself. */
export function assertContents(root: string, purpose: RootfsPurpose): void {
  const has = (program: string) => programFolders.some((path) => existsSync(join(root, path, program)));
  const missing = requiredPrograms[purpose].filter((program) => !has(program));
  const present = forbiddenPrograms[purpose].filter(has);
  if (missing.length > 0 || present.length > 0) {
    throw new Error(
      `the root file system '${purpose}' is not as promised: missing [${missing}], present but forbidden [${present}]; change test/host/harness/rootfs-recipe.ts`,
    );
  }
  if (!statSync(join(root, 'etc/ssl/certs/ca-certificates.crt')).isFile())
    throw new Error(`${root} has no CA certificates`);
}

/** Whoever finishes first wins: after a builder's death two others may have taken its lock over. */
function putInPlace(root: string, folder: string): void {
  try {
    renameSync(root, folder);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'EEXIST')) throw error;
  }
}

function dropDeadLock(lock: string): void {
  const owner = readClaim(lock);
  if (owner !== undefined && !isOwnerAlive(owner)) rmSync(lock, { force: true });
}
