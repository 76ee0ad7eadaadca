import type { Command } from 'commander';
import { EXIT_HELP, type InstallFlags, withInstallOptions } from '../provision/command.ts';
import type { CliContext } from './context.ts';

/** `install` does everything; `provision` makes or renews the identity of what is installed. */
export function addInstall(program: Command, ctx: CliContext): void {
  const run = (scope: 'all' | 'enrolment') => async (flags: InstallFlags) => {
    const { runInstaller } = await import('../provision/run-installer.ts');
    ctx.process.exitCode = await runInstaller({ ...ctx, flags, scope });
  };
  withInstallOptions(program.command('install'))
    .description('make this machine an agent: programs, identity, configuration, service')
    .addHelpText('after', EXIT_HELP)
    .action(run('all'));
  withInstallOptions(program.command('provision'))
    .description('enroll a machine that has the programs: the same without the first two steps')
    .addHelpText('after', EXIT_HELP)
    .action(run('enrolment'));
}
