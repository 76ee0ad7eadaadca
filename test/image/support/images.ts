import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../../scripts/lib/root.ts';
import { type CommandOptions, type Outcome, runProgram } from '../../host/harness/command.ts';
import { imageSuiteObstacles } from './preflight.ts';

export function npmRunImage(words: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return runProgram([process.execPath, join(ROOT, 'scripts/image.mts'), ...words], {
    timeoutMs: 500_000,
    ...options,
  });
}

/** Both images of dist/, made in a folder of their own; `dispose` takes it away. */
export async function makeImages(): Promise<{ folder: string; output: string; dispose(): void }> {
  const obstacles = await imageSuiteObstacles();
  if (obstacles.length > 0) throw new Error(`the image suite cannot run here: ${obstacles.join('; ')}`);
  const folder = await mkdtemp(join(tmpdir(), 'vm-agent-images-'));
  const { code, out, err } = await npmRunImage(['--out', folder]);
  if (code !== 0) throw new Error(`npm run image ended with ${code}: ${out}${err}`);
  return { folder, output: out, dispose: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The part of an OCI image's configuration that says how it starts; names as in the specification. */
export interface ImageConfig {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Env: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly Volumes: Readonly<Record<string, unknown>>;
  readonly ExposedPorts: Readonly<Record<string, unknown>>;
  readonly WorkingDir: string;
  readonly StopSignal: string;
}

/** Follows the layout from the tag to the configuration, as https://github.com/opencontainers/image-spec says. */
export function readImageConfig(
  layout: string,
  tag: string,
): { architecture: string; os: string; config: ImageConfig } {
  const read = (path: string) => JSON.parse(readFileSync(join(layout, path), 'utf8'));
  const blob = (digest: string) => read(join('blobs', digest.replace(':', '/')));
  const index: { manifests: { digest: string; annotations: Record<string, string> }[] } = read('index.json');
  const found = index.manifests.find(
    ({ annotations }) => annotations['org.opencontainers.image.ref.name'] === tag,
  );
  if (found === undefined) throw new Error(`${layout} has no tag ${tag}`);
  return blob(blob(found.digest).config.digest);
}
