import type { Command } from 'commander';
import { type CliDeps, type DataFlags, DEFAULT_DATA, logLevelOption } from './deps.ts';
import { printCredentials } from './print.ts';

/** `vm-orchestrator bootstrap`: the first credentials, once. */
export function register(program: Command, deps: CliDeps): void {
  program
    .command('bootstrap')
    .description('print the first credentials as JSON, once; before or while serve runs')
    .option('--data <dir>', 'the data of serve', DEFAULT_DATA)
    .addOption(logLevelOption('warn'))
    .addHelpText(
      'after',
      `
Environment:
  VM_ORCHESTRATOR_ADMIN_PASSWORD[_FILE]  the password, instead of a random one
  VM_ORCHESTRATOR_API_TOKEN[_FILE]       the API token, instead of a random one

What was taken from the environment is said on stderr.`,
    )
    .action(async (flags: DataFlags) => printCredentials(deps, await deps.server.bootstrap(flags)));
}
