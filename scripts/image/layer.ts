import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packTar, unpackTar } from 'modern-tar';
import { AppError } from '../../protocol/errors.ts';
import { type ArchiveEntry, entriesOf } from '../build/archive.ts';
import type { Recipe } from './containerfile.ts';

/** Folders that every base has; they stay as they are there. */
const STANDARD = new Set([
  '/',
  '/usr',
  '/usr/lib',
  '/usr/local',
  '/usr/local/bin',
  '/opt',
  '/var',
  '/var/lib',
]);

/**
 * The layer above the base, as a tar archive: our files, root's, and the volumes, the image's user's own. Its bytes
 * depend on what goes in and `epoch` alone.
 * @throws AppError `artifact_not_available`
 */
export async function makeLayer(options: {
  recipe: Recipe;
  dist: string;
  /** `linux-x64`: whose Node goes in. */
  platform: string;
  /** Seconds: the time of every file. */
  epoch: number;
}): Promise<Uint8Array> {
  const { recipe, dist, platform } = options;
  const root = { mtime: new Date(options.epoch * 1000), uid: 0, gid: 0 };
  const { uid, gid } = recipe.config.user;
  const files = [
    ...recipe.copies.flatMap(({ from, to }) => from.flatMap((source) => copied(dist, source, to))),
    ...(await runtimeFiles(dist, platform, recipe.runtime)),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  const folders = [...new Set(files.flatMap(({ name }) => parents(name)))]
    .filter((path) => !STANDARD.has(path))
    .sort();
  return packTar([
    ...folders.map((path) => folder(path, { ...root, mode: 0o755 })),
    ...recipe.config.volumes.map((path) => folder(path, { ...root, uid, gid, mode: 0o700 })),
    ...files.map(({ name, body, executable }) => ({
      header: { ...root, name: name.slice(1), size: body.length, mode: executable ? 0o755 : 0o644 },
      body,
    })),
  ]);
}

const folder = (path: string, header: { mtime: Date; uid: number; gid: number; mode: number }) => ({
  header: { ...header, name: `${path.slice(1)}/`, size: 0, type: 'directory' as const },
});

const parents = (path: string): string[] =>
  path === '/' ? [] : [...parents(posix.dirname(path)), posix.dirname(path)];

/** As COPY does it: a folder's content goes to `to`; a file goes into it where it ends in `/`. */
function copied(dist: string, from: string, to: string): ArchiveEntry[] {
  if (!existsSync(join(dist, from)))
    throw new AppError('artifact_not_available', {
      detail: `${join(dist, from)} is missing.`,
      hint: 'Run `npm run build` first.',
    });
  return entriesOf(join(dist, dirname(from)), basename(from)).map((entry) => ({
    ...entry,
    name: to.endsWith('/') ? posix.join(to, entry.name) : entry.name.replace(basename(from), to),
  }));
}

/** The Node runtime of that platform, out of the release in `dist/artifacts`. */
async function runtimeFiles(dist: string, platform: string, to: string): Promise<ArchiveEntry[]> {
  const folder = join(dist, 'artifacts');
  const lines = readFileSync(join(folder, 'manifest.txt'), 'utf8').split('\n');
  const line = lines
    .map((each) => each.split(' '))
    .find(([, , kind, on]) => kind === 'runtime' && on === platform);
  if (line === undefined)
    throw new AppError('artifact_not_available', {
      detail: `${folder} has no Node runtime for ${platform}.`,
      hint: 'Run `npm run build -- --all-platforms` first.',
    });
  const entries = await unpackTar(gunzipSync(readFileSync(join(folder, `${line[0]}.tar.gz`))));
  return entries.map(({ header, data }) => ({
    name: posix.join(to, header.name),
    body: data ?? new Uint8Array(),
    executable: ((header.mode ?? 0) & 0o100) !== 0,
  }));
}
