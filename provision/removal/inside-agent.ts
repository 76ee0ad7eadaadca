import { readFile } from 'node:fs/promises';
import { COMMAND_SLICE, COMMAND_UNIT_PREFIX, SERVICE_UNIT } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import { ownAgentPid } from '../stop-own.ts';
import type { RemovalContext } from './context.ts';
import { ancestorsOf } from './processes.ts';

const OURS = [`/${SERVICE_UNIT}`, `/${COMMAND_UNIT_PREFIX}`, `/${COMMAND_SLICE}`, '/vm-agent-exec@'];

/** Whether a process with these lines in /proc/self/cgroup was started by the system's agent. */
export const isInAgentsCgroup = (cgroups: string): boolean => OURS.some((name) => cgroups.includes(name));

/**
 * A command of the agent would be ended with the agent, in the middle of the removal.
 * @throws AppError `conflict`
 */
export async function refuseInsideAgent(
  ctx: Pick<RemovalContext, 'mode' | 'layout' | 'clock'>,
): Promise<void> {
  const inside =
    ctx.mode === 'system'
      ? isInAgentsCgroup(await readFile('/proc/self/cgroup', 'utf8').catch(() => ''))
      : (await ancestorsOf(process.pid)).includes((await ownAgentPid(ctx)) ?? -1);
  if (!inside) return;
  const words = ctx.mode === 'system' ? '' : ` --home ${ctx.layout.root}`;
  throw new AppError('conflict', {
    detail: 'This runs as a command of the agent itself, which would be ended in the middle of its removal.',
    hint:
      ctx.mode === 'system'
        ? 'Run it in a shell of the machine; or, as root, apart from the agent: systemd-run --collect vm-agent uninstall --yes'
        : `Run it in a shell of the machine; or apart from the agent: setsid --fork vm-agent uninstall --yes${words}`,
  });
}
