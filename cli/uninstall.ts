import type { Command } from 'commander';
import { EXIT_HELP } from '../provision/command.ts';
import { type UninstallFlags, withUninstallOptions } from '../provision/uninstall-command.ts';
import type { CliContext } from './context.ts';

/** Takes the agent off this machine. */
export function addUninstall(program: Command, ctx: CliContext): void {
  withUninstallOptions(program.command('uninstall'))
    .description('take the agent off this machine: service, identity, users, programs')
    .addHelpText('after', EXIT_HELP)
    .action(async (flags: UninstallFlags) => {
      const { runUninstaller } = await import('../provision/run-uninstaller.ts');
      ctx.process.exitCode = await runUninstaller({ ...ctx, flags });
    });
}
