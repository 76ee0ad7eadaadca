import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '../../base/atomic-file.ts';
import { AppError } from '../../protocol/errors.ts';
import type { InstallContext } from '../context.ts';
import { exists, linkTarget, makeDirectory, pointLink } from '../files.ts';
import { isFinisher } from '../finisher.ts';
import { brokenFiles, readSeal, sealFolder } from '../seal.ts';
import type { Step } from '../step.ts';

/** Room for identity, logs and state beside the programs. */
const SPARE_BYTES = 32 * 1024 * 1024;

const launcher = (ctx: Pick<InstallContext, 'layout' | 'mode'>): string => {
  const root = ctx.layout.root.replaceAll("'", "'\\''");
  const home = ctx.mode === 'user' ? `: "\${VM_AGENT_HOME:=$root}"\nexport VM_AGENT_HOME\n` : '';
  return `#!/bin/sh\nroot='${root}'\n${home}exec "$root/current/runtime/node" "$root/current/vm-agent.mjs" "$@"\n`;
};

export function runtime(
  ctx: Pick<InstallContext, 'layout' | 'mode' | 'source' | 'host'> & { command: string },
): Step {
  const { layout, source, host } = ctx;
  const isWhole = async (folder: string, digest: string): Promise<boolean> => {
    const seal = await readSeal(folder);
    return seal?.digest === digest && (await brokenFiles(folder, seal)).length === 0;
  };
  // Somebody else's program of that name is left alone.
  const mayTakeCommand = async () => {
    const target = await linkTarget(ctx.command);
    if (target !== undefined) return target.startsWith(`${layout.root}/`);
    return !(await exists(ctx.command)) || isFinisher(ctx.command);
  };
  const commandTarget = `${layout.current}/bin/vm-agent`;
  return {
    id: 'runtime',
    title: 'Runtime',
    async isDone() {
      const { version, digest } = await source.identify();
      return (
        (await linkTarget(layout.current)) === `versions/${version}` &&
        (await isWhole(join(layout.versions, version), digest)) &&
        (ctx.mode === 'user' ||
          (await linkTarget(ctx.command)) === commandTarget ||
          !(await mayTakeCommand()))
      );
    },
    async apply() {
      const { version, digest } = await source.identify();
      const folder = join(layout.versions, version);
      if (!(await isWhole(folder, digest))) {
        await makeDirectory(layout.versions, 0o755);
        await sweep(layout.versions);
        await checkSpace();
        const staging = join(layout.versions, `.staging-${version}`);
        await makeDirectory(staging, 0o755);
        await source.stage(staging);
        await makeDirectory(join(staging, 'bin'), 0o755);
        await writeFileAtomic(join(staging, 'bin/vm-agent'), launcher(ctx), { mode: 0o755 });
        await sealFolder(staging, digest);
        if (await exists(folder)) await rename(folder, join(layout.versions, `.old-${version}`));
        await rename(staging, folder);
        await syncDirectory(layout.versions);
      }
      if ((await linkTarget(layout.current)) !== `versions/${version}`)
        await pointLink(layout.current, `versions/${version}`);
      if (ctx.mode === 'system' && (await mayTakeCommand())) {
        await makeDirectory(join(ctx.command, '..'), 0o755);
        await pointLink(ctx.command, commandTarget);
      }
      await sweep(layout.versions);
      return `version ${version} in ${folder}`;
    },
    async undo() {
      const target = await linkTarget(layout.current);
      await rm(layout.current, { force: true });
      if (target !== undefined) await rm(join(layout.root, target), { recursive: true, force: true });
      if (ctx.mode === 'system' && (await linkTarget(ctx.command)) === commandTarget) await rm(ctx.command);
    },
  };

  async function checkSpace(): Promise<void> {
    const [needed, free] = [(await source.size()) + SPARE_BYTES, await host.freeBytes(layout.root)];
    if (free >= needed) return;
    throw new AppError('disk_full', {
      detail: `${layout.root} needs ${megabytes(needed)} of free space and has ${megabytes(free)}.`,
      hint: 'Free some space there and run the same command again: it continues where this run stopped.',
      context: { needed_bytes: needed, free_bytes: free },
    });
  }
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

/** Takes away what an interrupted run left. */
async function sweep(versions: string): Promise<void> {
  for (const name of await readdir(versions)) {
    if (name.startsWith('.staging-') || name.startsWith('.old-'))
      await rm(join(versions, name), { recursive: true, force: true });
  }
}
