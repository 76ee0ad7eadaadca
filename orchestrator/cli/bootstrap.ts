import type { Command } from 'commander';
import { type CliDeps, DEFAULT_DATA } from './deps.ts';

/** `vm-orchestrator bootstrap`: the first credentials, once. */
export function register(program: Command, deps: CliDeps): void {
  program
    .command('bootstrap')
    .description('Print the first credentials as JSON, once; before or while serve runs')
    .option('--data <dir>', 'the data of serve', DEFAULT_DATA)
    .action(async (options: { data: string }) => {
      const credentials = await deps.server.bootstrap(options);
      deps.stdout.write(`${JSON.stringify(credentials)}\n`);
    });
}
