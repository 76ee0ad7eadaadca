import type { Command } from 'commander';
import { type CliDeps, type DataFlags, DEFAULT_DATA, logLevelOption } from './deps.ts';
import { printCredentials } from './print.ts';

/** `vm-orchestrator admin …`: for whoever holds the machine. */
export function register(program: Command, deps: CliDeps): void {
  const admin = program.command('admin').description('manage the admin on this machine');
  admin
    .command('reset')
    .description('make a new password and API token for the admin; the old ones end, and it is recorded')
    .option('--data <dir>', 'the data of serve', DEFAULT_DATA)
    .addOption(logLevelOption('warn'))
    .addHelpText(
      'after',
      `
Environment:
  VM_ORCHESTRATOR_ADMIN_PASSWORD[_FILE]  the new password, instead of a random one
  VM_ORCHESTRATOR_API_TOKEN_FILE         the new API token, instead of a random one

A value that is in force already is not used: new means new. Nor is VM_ORCHESTRATOR_API_TOKEN,
which client commands use: it may be the token that leaked. What was taken from the
environment is said on stderr. Each start of serve sets what its own environment
holds: remove the old values there as well.`,
    )
    .action(async (flags: DataFlags) => printCredentials(deps, await deps.server.adminReset(flags)));
}
