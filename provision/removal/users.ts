import { rm } from 'node:fs/promises';
import { RUN_USER, SERVICE_USER } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import { hasGroup } from '../host.ts';
import type { Step } from '../step.ts';
import { lastLine } from '../steps/system-dependencies.ts';
import { type RemovalContext, removalStep } from './context.ts';
import { endProcessesOf } from './processes.ts';

const NAMES = [RUN_USER, SERVICE_USER];
/** What other programs keep for a user under his name. */
const SPOOLS = ['/var/spool/cron/crontabs', '/var/spool/cron', '/var/mail', '/var/spool/mail'];

/** The users and groups that the installer made, with whatever still runs as them. */
export function removeUsers(ctx: Pick<RemovalContext, 'host' | 'clock'>): Step {
  const { host } = ctx;
  const remove = async (programs: readonly string[], name: string): Promise<string> => {
    for (const program of programs) {
      const path = await host.which(program);
      if (path !== undefined) return (await host.run(path, [name])).stderr;
    }
    return `${programs.join(' and ')} are missing`;
  };
  return removalStep({
    id: 'users',
    title: 'Users and groups',
    async isDone() {
      for (const name of NAMES)
        if ((await host.userIds(name)) !== undefined || (await hasGroup(name))) return false;
      return true;
    },
    async apply() {
      for (const name of NAMES) {
        const ids = await host.userIds(name);
        let said = '';
        if (ids !== undefined) {
          await endProcessesOf([ids.uid], ctx);
          for (const folder of SPOOLS) await rm(`${folder}/${name}`, { force: true });
          said = await remove(['userdel', 'deluser'], name);
        }
        if (await hasGroup(name)) said = await remove(['groupdel', 'delgroup'], name);
        if ((await host.userIds(name)) === undefined && !(await hasGroup(name))) continue;
        throw new AppError('step_failed', {
          detail: `The user ${name} could not be removed: ${lastLine(said)}`,
          hint: `Remove it by: userdel ${name}; and run this again: it continues here.`,
        });
      }
      return `${NAMES.join(', ')} are gone`;
    },
  });
}
