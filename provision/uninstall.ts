import { loadAgentConfig } from '../agent/config.ts';
import { readSecurityFile } from '../agent/identity/credentials.ts';
import { proxyFromEnv } from '../agent/identity/proxy.ts';
import { systemRandom } from '../base/random.ts';
import { diskLayout } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import { explain } from './failure.ts';
import { COMMAND_PATH } from './finisher.ts';
import type { InstallDeps } from './install.ts';
import { createOrchestrator } from './orchestrator.ts';
import type { Deregistered, RemovalContext } from './removal/context.ts';
import { byHand, deregistration } from './removal/deregistration.ts';
import { keepRecords, keptPaths, removeData, removePrograms } from './removal/files.ts';
import { refuseInsideAgent } from './removal/inside-agent.ts';
import { removeService, stopUserAgent } from './removal/service.ts';
import { removeUsers } from './removal/users.ts';
import { runSteps, type Step } from './step.ts';

export interface UninstallOptions {
  /** Folder of an installation in user mode; undefined: the system's. */
  home: string | undefined;
  purge: boolean;
  /** The orchestrator is not asked. */
  offline: boolean;
  dryRun: boolean;
}

export interface Uninstalled {
  /** How many steps changed something; 0: there was nothing to remove. */
  applied: number;
  mode: 'system' | 'user';
  root: string;
  deregistered: Deregistered;
  vmIds: readonly string[];
  /** Paths that are left, on purpose. */
  kept: readonly string[];
}

/** How a machine stops being an agent, in this order: what could start or need the rest goes first. */
function removalPlan(ctx: RemovalContext, offline: boolean): Step[] {
  const system = ctx.mode === 'system';
  return [
    system ? removeService(ctx) : stopUserAgent(ctx),
    ...(offline ? [] : [deregistration(ctx)]),
    ...(system && !ctx.purge ? [keepRecords(ctx)] : []),
    removeData(ctx),
    ...(system ? [removeUsers(ctx)] : []),
    removePrograms(ctx),
  ];
}

/**
 * Takes the agent off this machine. Safe to repeat: it finishes what was interrupted, and does nothing when nothing
 * of the agent is there. @throws AppError, with the step in front of its text when one had begun.
 */
export async function uninstall(options: UninstallOptions, deps: InstallDeps): Promise<Uninstalled> {
  const { host, clock, note } = deps;
  const mode = options.home === undefined ? 'system' : 'user';
  const layout = diskLayout(options.home);
  const proxy =
    proxyFromEnv(host.env) ??
    (await loadAgentConfig({ layout, env: {} }).then(
      (config) => config.orchestrator.proxy,
      () => undefined,
    ));
  const ctx: RemovalContext = {
    mode,
    layout,
    host,
    clock,
    note,
    purge: options.purge,
    command: COMMAND_PATH,
    orchestratorAt: (server) =>
      createOrchestrator({ server, clock, random: systemRandom, pin: undefined, proxy }),
    report: { deregistered: options.offline ? 'offline' : 'not_enrolled', vmIds: [] },
  };
  await refuseInsideAgent(ctx);
  if (mode === 'system' && host.uid !== 0 && !options.dryRun) {
    throw new AppError('not_root', {
      detail: `Removing the system's agent needs root; this runs as uid ${host.uid}.`,
      hint: 'Run it with sudo, or with --home DIR for an installation of your own.',
    });
  }
  if (options.offline) {
    const vmId = await readSecurityFile(layout, 'vmId').catch(() => undefined);
    if (vmId !== undefined) {
      ctx.report.vmIds.push(vmId);
      note(`The orchestrator is not asked. ${byHand(vmId)}`);
    }
  }
  const applied = await runSteps({
    steps: removalPlan(ctx, options.offline),
    reporter: deps.reporter,
    dryRun: options.dryRun,
    explain,
  });
  const { deregistered, vmIds } = ctx.report;
  return { applied, mode, root: layout.root, deregistered, vmIds, kept: await keptPaths(ctx) };
}
