import type { Command } from 'commander';
import { type DiskLayout, diskLayout } from '../protocol/disk-layout.ts';

/** What a subcommand gets from the process; main.ts alone reads it. */
export interface CliContext {
  process: NodeJS.Process;
  hostname: string;
  homedir: string;
  /** `import.meta.dirname` of the program. */
  moduleDir: string;
  version: string;
}

export const HOME_HELP = 'folder of an installation of its own (env: VM_AGENT_HOME; default: the system’s)';

/** `--home`, as every subcommand has it. */
export const withHome = (command: Command): Command => command.option('--home <dir>', HOME_HELP);

export function layoutFor(home: string | undefined, ctx: CliContext): DiskLayout {
  const chosen = home ?? ctx.process.env['VM_AGENT_HOME'];
  return diskLayout(chosen === undefined || chosen === '' ? undefined : chosen);
}

/** Exit codes of the subcommands besides install and provision, which have a table of their own. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
} as const;
