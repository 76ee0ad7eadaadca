// The installer as a program: `npx zx provision/setup.mts`, or dist/setup.mjs, which /setup.sh starts.
import { homedir, hostname } from 'node:os';
import { Command } from 'commander';
import { EXIT_HELP, type InstallFlags, withInstallOptions } from './command.ts';
import { runInstaller } from './run-installer.ts';

// Run by zx, the script stands among the arguments; run by node, it is the second.
const at = process.argv.findIndex((word) => /(^|\/)setup\.m[tj]s$/.test(word));
const words = process.argv.slice(at + 1);
// From here on neither `ps` nor /proc shows the arguments, of which one may be a token.
process.title = 'vm-agent setup';

const program = withInstallOptions(new Command('setup'))
  .description(
    'Makes this machine an agent of an orchestrator. Safe to run again: it continues, or changes nothing.',
  )
  .addHelpText('after', EXIT_HELP)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .action(async (flags: InstallFlags) => {
    process.exitCode = await runInstaller({
      flags,
      scope: 'all',
      process,
      hostname: hostname(),
      homedir: homedir(),
      moduleDir: import.meta.dirname,
    });
  });
await program.parseAsync(words, { from: 'user' });
