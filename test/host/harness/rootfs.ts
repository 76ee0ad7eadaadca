// A root file system with systemd, built once for each recipe and kept in the user's cache.
import { createHash } from 'node:crypto';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { type AptSources, readAptOptions, readAptSources } from '../../../scripts/lib/apt-sources.ts';
import { buildOnce } from './cache.ts';
import { runProgramOk } from './command.ts';
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

/**
 * The directory of a root file system for this purpose, built if the cache has none (about 25 s and 120 MB). It is
 * shared: copy it, never boot it. Safe to call from several processes at once; the second waits for the first.
 */
export async function provideRootfs(purpose: RootfsPurpose = 'standard'): Promise<string> {
  const sources = readAptSources();
  return buildOnce(`rootfs-${recipeHash(purpose, sources)}`, async (work) => {
    const root = join(work, 'root');
    await runMmdebstrap({
      work,
      root,
      sources,
      packages: packagesFor[purpose],
      options: [`--customize-hook=${finishScript}`],
    });
    assertContents(root, purpose);
    return root;
  });
}

function recipeHash(purpose: RootfsPurpose, sources: AptSources): string {
  const recipe = [arch(), sources, packagesFor[purpose], excludedPaths, finishScript];
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
}

export interface MmdebstrapOptions {
  /** An empty folder for what the run itself needs. */
  readonly work: string;
  /** Where the root file system goes. */
  readonly root: string;
  readonly sources: AptSources;
  readonly packages: readonly string[];
  /** More options of mmdebstrap: its hooks. */
  readonly options: readonly string[];
}

/** Makes a root file system out of this machine's own package sources. */
export async function runMmdebstrap(make: MmdebstrapOptions): Promise<void> {
  const entries = make.sources.entries.map((entry, index) => {
    const file = join(make.work, `source-${index}`);
    writeFileSync(file, `${entry}\n`);
    return file;
  });
  const hooks = '/usr/share/mmdebstrap/hooks/maybe-merged-usr';
  const argv = [
    'mmdebstrap',
    '--mode=root',
    '--variant=minbase',
    '--format=directory',
    ...(existsSync(hooks) ? [`--hook-dir=${hooks}`] : []),
    `--include=${make.packages.join(',')}`,
    ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...readAptOptions().map((line) => `--aptopt=${line}`),
    ...make.options,
    make.sources.suite,
    make.root,
    ...entries,
  ];
  await runProgramOk(argv, { timeoutMs: buildTimeoutMs });
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
