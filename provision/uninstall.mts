// The uninstaller as a program: `npx zx provision/uninstall.mts`; `vm-agent uninstall` is the same.
import { hostname } from 'node:os';
import { Command } from 'commander';
import { EXIT_HELP } from './command.ts';
import { runUninstaller } from './run-uninstaller.ts';
import { type UninstallFlags, withUninstallOptions } from './uninstall-command.ts';

// Run by zx, the script stands among the arguments; run by node, it is the second.
const at = process.argv.findIndex((word) => /(^|\/)uninstall\.m[tj]s$/.test(word));

await withUninstallOptions(new Command('uninstall'))
  .description('Takes the agent off this machine. Safe to run again: it finishes what was interrupted.')
  .addHelpText('after', EXIT_HELP)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .action(async (flags: UninstallFlags) => {
    process.exitCode = await runUninstaller({ flags, process, hostname: hostname() });
  })
  .parseAsync(process.argv.slice(at + 1), { from: 'user' });
