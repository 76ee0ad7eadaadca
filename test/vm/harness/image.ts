// The disk that every virtual machine starts from, with its kernel, built once for each recipe and never written to.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AptSources, readAptSources } from '../../host/harness/apt-sources.ts';
import { buildOnce } from '../../host/harness/cache.ts';
import { runProgramOk } from '../../host/harness/command.ts';
import { runMmdebstrap } from '../../host/harness/rootfs.ts';
import { diskSize, essentialScript, type ImageKind, type Recipe, recipeOf } from './image-recipe.ts';

export interface Image {
  /** An ext4 file system, raw and sparse: boot an overlay of it. */
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The image, built if the cache has none (about 40 s and 350 MB). */
export async function provideImage(kind: ImageKind): Promise<Image> {
  const sources = readAptSources();
  const recipe = recipeOf(kind);
  const folder = await buildOnce(`vm-image-${recipeHash(recipe, sources)}`, (work) =>
    buildImage(work, recipe, sources),
  );
  return imageIn(folder);
}

const imageIn = (folder: string): Image => ({
  disk: join(folder, 'disk.raw'),
  kernel: join(folder, 'vmlinuz'),
  initrd: join(folder, 'initrd'),
});

function recipeHash({ packages, finish }: Recipe, sources: AptSources): string {
  const recipe = [sources, packages, diskSize, essentialScript, finish];
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
}

async function buildImage(work: string, { packages, finish }: Recipe, sources: AptSources): Promise<string> {
  const root = join(work, 'root');
  await runMmdebstrap({
    work,
    root,
    sources,
    packages,
    options: [`--essential-hook=${essentialScript}`, `--customize-hook=${finish}`],
  });
  const result = join(work, 'image');
  mkdirSync(result);
  const image = imageIn(result);
  copyFileSync(only(join(root, 'boot'), 'vmlinuz-'), image.kernel);
  copyFileSync(only(join(root, 'boot'), 'initrd.img-'), image.initrd);
  await runProgramOk(['mkfs.ext4', '-q', '-L', 'root', '-d', root, image.disk, diskSize], {
    timeoutMs: 120_000,
  });
  return result;
}

function only(folder: string, prefix: string): string {
  const [name, ...more] = readdirSync(folder).filter((entry) => entry.startsWith(prefix));
  if (name === undefined || more.length > 0) throw new Error(`${folder} has not exactly one ${prefix}*`);
  return join(folder, name);
}
