import type { Command } from 'commander';

/** What the command line says, as commander hands it on. */
export interface UninstallFlags {
  purge?: boolean;
  yes?: boolean;
  dryRun?: boolean;
  offline?: boolean;
  json?: boolean;
  home?: string;
  debug?: boolean;
}

/** The options of the uninstaller, the same for every way to start it. */
export const withUninstallOptions = (command: Command): Command =>
  command
    .option('--purge', 'remove logs, audit chain and configuration as well')
    .option('--yes', 'do not ask')
    .option('--offline', 'do not ask the orchestrator; the agent must be revoked there by hand')
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--json', 'print what was done as JSON, and no progress')
    .option(
      '--home <dir>',
      'folder of an installation of its own (env: VM_AGENT_HOME; default: the system’s)',
    )
    .option('--debug', 'show each command that is run, how long each step took, and where an error happened');
