import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { AppError } from '../protocol/errors.ts';
import { platformSchema, type ReleaseFile, type ReleaseManifest } from '../protocol/release-manifest.ts';
import { exists, makeDirectory, sha256File } from './files.ts';
import type { Orchestrator } from './orchestrator.ts';
import { filesFor, openManifest, type PlatformFiles, parseReleaseKeys } from './release.ts';
import { unpack, unpackedSize } from './unpack.ts';

/** Where the programs come from that are installed. */
export interface Source {
  /** Which version, a name that changes with any byte of it, and of a release its sequence. */
  identify(): Promise<{ version: string; digest: string; sequence?: number }>;
  /** Bytes that it takes on the disk. */
  size(): Promise<number>;
  /** Puts the files into an empty folder. */
  stage(folder: string): Promise<void>;
}

const BUNDLE = [
  'vm-agent.mjs',
  'vm-agent-exec.mjs',
  'vm-agent-log-worker.mjs',
  'setup.mjs',
  'native',
  'units',
  'THIRD-PARTY-LICENSES.txt',
];

/** The built programs of a checkout or of an installed package, and the Node that runs this. */
export function localSource(options: { dist: string; node: string; version: string }): Source {
  const { dist, node, version } = options;
  const files = async (): Promise<{ from: string; name: string; mode: number }[]> => {
    if (!(await exists(join(dist, 'vm-agent.mjs')))) {
      throw new AppError('step_failed', {
        detail: `${dist} does not hold the built programs.`,
        hint: 'Run `npm run build` first.',
      });
    }
    const found = await Promise.all(BUNDLE.map((name) => filesBelow(dist, name)));
    const bundle = found.flat().map((name) => ({ from: join(dist, name), name, mode: 0o644 }));
    return [...bundle, { from: node, name: 'runtime/node', mode: 0o755 }];
  };
  return {
    async identify() {
      const hash = createHash('sha256');
      for (const { from, name } of await files()) hash.update(`${name} ${await sha256File(from)}\n`);
      return { version, digest: hash.digest('hex') };
    },
    async size() {
      const sizes = (await files()).map(async ({ from }) => (await stat(from)).size);
      return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    },
    async stage(folder) {
      for (const { from, name, mode } of await files()) {
        const to = join(folder, name);
        await makeDirectory(dirname(to), 0o755);
        await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
        const handle = await open(to);
        try {
          await handle.chmod(mode);
          await handle.sync();
        } finally {
          await handle.close();
        }
      }
    },
  };
}

async function filesBelow(root: string, name: string): Promise<string[]> {
  if (!(await exists(join(root, name)))) return [];
  if (!(await stat(join(root, name))).isDirectory()) return [name];
  const below = (await readdir(join(root, name))).sort().map((child) => filesBelow(root, join(name, child)));
  return (await Promise.all(below)).flat();
}

/**
 * Archives that were downloaded from the orchestrator. They count only if the manifest that names their hashes is
 * signed by a release key, and the keys came over the connection that the token's pin vouches for.
 */
export function downloadedSource(options: {
  orchestrator: Pick<Orchestrator, 'artifact'>;
  clock: Pick<Clock, 'now'>;
  folder: string;
  platform: string;
  arch: string;
}): Source {
  const { folder, orchestrator, clock } = options;
  let found: Promise<Source> | undefined;
  const required = async (name: string): Promise<Buffer> => {
    const body = await orchestrator.artifact(name);
    if (body !== undefined) return body;
    throw new AppError('artifact_not_available', {
      detail: `The orchestrator does not serve ${name}.`,
      hint: 'Run `npm run build` where the orchestrator was built, and restart it.',
    });
  };
  const find = async (): Promise<Source> => {
    const keys = parseReleaseKeys(await required('release-keys.json'));
    const manifest = openManifest(await required('manifest.json'), keys, clock.now());
    const platform = platformSchema.parse(`${options.platform}-${options.arch}`);
    return releaseSource({ manifest, files: filesFor(manifest, platform), folder });
  };
  const source = () => {
    found ??= find();
    return found;
  };
  return {
    identify: async () => (await source()).identify(),
    size: async () => (await source()).size(),
    stage: async (into) => (await source()).stage(into),
  };
}

/** Where an archive of a release lies that was downloaded to `folder`. */
export const archivePath = (folder: string, file: ReleaseFile): string =>
  join(folder, `${file.sha256}.tar.gz`);

export const releaseDigest = ({ agent, runtime }: PlatformFiles): string =>
  `${agent.sha256}+${runtime.sha256}`;

/** A release whose manifest was verified, and whose archives lie in `folder`; they are compared with it here. */
export function releaseSource(options: {
  manifest: ReleaseManifest;
  files: PlatformFiles;
  folder: string;
}): Source {
  const { manifest, files, folder } = options;
  const archives = [files.agent, files.runtime].map((file) => ({ path: archivePath(folder, file), file }));
  const check = async () => {
    for (const { path, file } of archives) {
      const actual = (await exists(path)) ? await sha256File(path) : 'nothing';
      if (actual === file.sha256) continue;
      throw new AppError('signature_invalid', {
        detail: `The ${file.kind} that was downloaded (${actual.slice(0, 16)}…) is not the one that the release of ${manifest.created_at} names (${file.sha256.slice(0, 16)}…).`,
        hint: 'Run it again; the orchestrator may have got a new release in between.',
      });
    }
  };
  let checked: Promise<void> | undefined;
  const verified = () => {
    checked ??= check();
    return checked;
  };
  return {
    async identify() {
      await verified();
      return { version: manifest.version, digest: releaseDigest(files), sequence: manifest.sequence };
    },
    async size() {
      const sizes = await Promise.all(archives.map(({ path }) => unpackedSize(path)));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    async stage(into) {
      await verified();
      // The runtime's own LICENSE keeps its name; ours and those of the libraries stand beside it.
      for (const { path, file } of archives)
        await unpack(path, file.kind === 'runtime' ? join(into, 'runtime') : into);
    },
  };
}
