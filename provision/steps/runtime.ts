import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstallContext } from '../context.ts';
import { exists, linkTarget, makeDirectory, pointLink } from '../files.ts';
import { isFinisher } from '../finisher.ts';
import type { Step } from '../step.ts';
import { noteRelease } from '../upgrade/record.ts';
import { folderNameOf, isWhole, placeVersion, sweepVersions } from '../versions.ts';

export function runtime(
  ctx: Pick<InstallContext, 'layout' | 'mode' | 'source' | 'host'> & { command: string },
): Step {
  const { layout, source } = ctx;
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
      const name = await folderNameOf(layout, { version, digest });
      return (
        (await linkTarget(layout.current)) === `versions/${name}` &&
        (await isWhole(join(layout.versions, name), digest)) &&
        (ctx.mode === 'user' ||
          (await linkTarget(ctx.command)) === commandTarget ||
          !(await mayTakeCommand()))
      );
    },
    async apply() {
      const { version, sequence } = await source.identify();
      const name = await placeVersion(ctx);
      if ((await linkTarget(layout.current)) !== `versions/${name}`)
        await pointLink(layout.current, `versions/${name}`);
      if (ctx.mode === 'system' && (await mayTakeCommand())) {
        await makeDirectory(join(ctx.command, '..'), 0o755);
        await pointLink(ctx.command, commandTarget);
      }
      await sweepVersions(layout);
      if (sequence !== undefined) await noteRelease(layout, { version, sequence });
      return `version ${version} in ${join(layout.versions, name)}`;
    },
    async undo() {
      const target = await linkTarget(layout.current);
      await rm(layout.current, { force: true });
      if (target !== undefined) await rm(join(layout.root, target), { recursive: true, force: true });
      if (ctx.mode === 'system' && (await linkTarget(ctx.command)) === commandTarget) await rm(ctx.command);
    },
  };
}
