import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AppError } from '../../protocol/errors.ts';
import type { ImageConfig } from './containerfile.ts';

export interface LayoutOptions {
  /** Where the OCI image layout goes; one that is there is replaced. */
  readonly folder: string;
  /** At least one. */
  readonly tags: readonly string[];
  /** Tar archives, not compressed, the base first; `from` goes into the history. */
  readonly layers: readonly { readonly tar: string; readonly from: string }[];
  readonly config: ImageConfig;
  /** As OCI calls it: amd64, arm64. */
  readonly architecture: string;
  /** ISO 8601; the only time in the image, so that the same input makes the same bytes. */
  readonly created: string;
}

/** Writes an OCI image layout with umoci: complete, or not at all. Answers the digest of the image's manifest. */
export function writeLayout(options: LayoutOptions): string {
  const { folder, tags, layers, config, created } = options;
  const [tag = 'latest', ...more] = tags;
  const staging = `${folder}.new`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  const image = `${staging}:${tag}`;
  umoci('init', '--layout', staging);
  umoci('new', '--image', image);
  for (const { tar, from } of layers)
    umoci(
      'raw',
      'add-layer',
      '--image',
      image,
      '--history.created',
      created,
      '--history.created_by',
      from,
      tar,
    );
  const each = (flag: string, values: readonly string[]) =>
    values.flatMap((value) => [`--config.${flag}`, value]);
  const assigned = (values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([key, value]) => `${key}=${value}`);
  umoci(
    'config',
    '--image',
    image,
    '--no-history',
    '--created',
    created,
    '--os',
    'linux',
    '--architecture',
    options.architecture,
    '--config.user',
    `${config.user.uid}:${config.user.gid}`,
    '--config.workingdir',
    config.workdir,
    '--config.stopsignal',
    config.stopSignal,
    ...each('entrypoint', config.entrypoint),
    ...each('cmd', config.cmd),
    ...each(
      'env',
      assigned({ PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...config.env }),
    ),
    ...each('label', assigned({ ...config.labels, 'org.opencontainers.image.created': created })),
    ...each('volume', config.volumes),
    ...each('exposedports', config.ports),
  );
  for (const other of more) umoci('tag', '--image', image, other);
  // Each step above wrote a manifest of its own.
  umoci('gc', '--layout', staging);
  const [manifest] = (
    JSON.parse(readFileSync(join(staging, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
  ).manifests;
  rmSync(folder, { recursive: true, force: true });
  renameSync(staging, folder);
  return manifest?.digest ?? '';
}

function umoci(...args: readonly string[]): void {
  try {
    execFileSync('umoci', args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim() ?? '';
    throw new AppError('step_failed', {
      detail: `umoci ${args[0]} failed: ${said.split('\n').at(-1) || String(cause)}`,
      hint: 'See whether the disk is full; `umoci --version` must be 0.4.7 or newer.',
      cause,
    });
  }
}
