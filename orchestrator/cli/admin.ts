import type { Command } from 'commander';
import { type CliDeps, DEFAULT_DATA } from './deps.ts';

/** `vm-orchestrator admin …`: for whoever holds the machine. */
export function register(program: Command, deps: CliDeps): void {
  const admin = program.command('admin').description('Manage the admin on this machine');
  admin
    .command('reset')
    .description('Make a new password and API token for the admin; the old ones end, and it is recorded')
    .option('--data <dir>', 'the data of serve', DEFAULT_DATA)
    .action(async (options: { data: string }) => {
      const credentials = await deps.server.adminReset(options);
      deps.stdout.write(`${JSON.stringify(credentials)}\n`);
    });
}
