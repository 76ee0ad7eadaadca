#!/usr/bin/env node
// The `vm-agent` command. Each subcommand loads its work when it runs, so that `server` stays lean.
import { homedir, hostname } from 'node:os';
import { Command } from 'commander';
import { PROGRAM_VERSION } from '../agent/identity/program-version.ts';
import { addCommands } from './commands.ts';
import { type CliContext, EXIT } from './context.ts';

const ctx: CliContext = {
  process,
  hostname: hostname(),
  homedir: homedir(),
  moduleDir: import.meta.dirname,
  version: PROGRAM_VERSION,
};
const words = process.argv.slice(2);
// From here on neither `ps` nor /proc shows the arguments when one of them is a token.
if (words.some((word) => word.startsWith('--provisioning-token')))
  process.title = `vm-agent ${words[0] ?? ''}`;

const program = new Command('vm-agent')
  .description(
    'Runs on a VM and does what its orchestrator asks: the daemon, its installer, and tools to look at it.',
  )
  .version(PROGRAM_VERSION, '--version', 'print the version')
  .showHelpAfterError('(vm-agent --help lists the commands)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  .enablePositionalOptions();
addCommands(program, ctx);

try {
  await program.parseAsync(words, { from: 'user' });
} catch (cause) {
  const { reportFailure } = await import('../provision/run-installer.ts');
  process.exitCode = reportFailure(cause, {
    output: process.stderr,
    env: process.env,
    debug: words.includes('--debug'),
  });
}
