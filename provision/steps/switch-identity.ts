import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import { syncDirectory } from '../../base/atomic-file.ts';
import {
  type DiskLayout,
  replacementFolder,
  replacementLayout,
  SERVICE_UNIT,
} from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { InstallContext } from '../context.ts';
import { exists, makeDirectory } from '../files.ts';
import { choosePort } from '../port.ts';
import type { Step } from '../step.ts';
import { stopOwnAgent } from '../stop-own.ts';

/** A run was ended while one identity took the place of another: nothing else may be done before that is finished. */
export const isSwitchUnderWay = (layout: DiskLayout): Promise<boolean> =>
  exists(replacementFolder(layout, 'granted'));

/**
 * Puts a new identity, granted and verified in a folder of its own, where the old one is. Renaming that folder is the
 * decision: before it the old identity is whole and works, after it any later run finishes what is left, since every
 * file is moved by itself and a file that was moved is not there any more.
 */
export function switchIdentity(
  ctx: Pick<InstallContext, 'layout' | 'host' | 'clock' | 'mode' | 'port' | 'note'>,
): Step {
  const { layout, host } = ctx;
  const made = replacementFolder(layout, 'made');
  const granted = replacementFolder(layout, 'granted');
  const from = replacementLayout(layout, 'granted');
  return {
    id: 'switch-identity',
    title: 'Change to the new identity',
    // It is in a plan only when there is something to change.
    isDone: async () => false,
    async apply() {
      const configured = (await loadAgentConfig({ layout, env: {} })).server.port;
      if (!(await isSwitchUnderWay(layout))) {
        // What the next steps would refuse is refused while the old agent still runs.
        if (ctx.port !== undefined) await choosePort({ ...ctx, configured });
        await rename(made, granted);
        await syncDirectory(layout.root);
      }
      // An agent that runs would renew the old certificate into the new folder, and write into the old journal.
      if (ctx.mode === 'system') await stopService();
      else await stopOwn();
      await makeDirectory(layout.trust, 0o755);
      await makeDirectory(layout.security, 0o700);
      for (const folder of ['trust', 'security'] as const) await moveFiles(from[folder], layout[folder]);
      // Journal and outbox are of the old agent: the new one begins its commands at 1 again.
      for (const name of ['journal.db', 'journal.db-wal', 'journal.db-shm', 'output'])
        await rm(join(layout.state, name), { recursive: true, force: true });
      await rm(granted, { recursive: true });
      await syncDirectory(layout.root);
      return 'the former one is gone; logs and configuration stay';
    },
    undo: () => rm(made, { recursive: true, force: true }),
  };

  async function stopService(): Promise<void> {
    await host.run('systemctl', ['stop', SERVICE_UNIT]);
    if ((await host.run('systemctl', ['is-active', '--quiet', SERVICE_UNIT])).code !== 0) return;
    throw new AppError('step_failed', {
      detail: 'The agent with the former identity could not be stopped.',
      hint: `See: systemctl status ${SERVICE_UNIT}. Run this again: it continues here.`,
    });
  }

  async function stopOwn(): Promise<void> {
    const { pid, stopped } = await stopOwnAgent(ctx);
    if (!stopped)
      throw new AppError('step_failed', {
        detail: `The agent with the former identity (pid ${pid}) did not stop.`,
        hint: 'End it, and run this again: it continues here.',
      });
    if (pid !== undefined)
      ctx.note(`The agent that ran here (pid ${pid}) was stopped: it had the former identity.`);
  }
}

async function moveFiles(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw cause;
  });
  for (const name of names) await rename(join(from, name), join(to, name));
  await syncDirectory(to);
}
