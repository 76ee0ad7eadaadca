import type { Command } from 'commander';
import { addAudit } from './audit.ts';
import { addConfig } from './config.ts';
import { addContainer } from './container.ts';
import type { CliContext } from './context.ts';
import { addDiagnose } from './diagnose.ts';
import { addExec } from './exec.ts';
import { addInstall } from './install.ts';
import { addLogs } from './logs.ts';
import { addLs } from './ls.ts';
import { addMcp } from './mcp.ts';
import { addMetrics } from './metrics.ts';
import { addServer } from './server.ts';
import { addStatus } from './status.ts';
import { addSupportBundle } from './support-bundle.ts';
import { addTest } from './test.ts';
import { addTestConnection } from './test-connection.ts';
import { addUninstall } from './uninstall.ts';
import { addUpgrade } from './upgrade.ts';

/** Each subcommand is one file that adds itself; this list is the order of the help text. */
const SUBCOMMANDS = [
  addInstall,
  addUninstall,
  addTestConnection,
  addDiagnose,
  addSupportBundle,
  addUpgrade,
  addServer,
  addContainer,
  addStatus,
  addExec,
  addLs,
  addMetrics,
  addLogs,
  addTest,
  addMcp,
  addConfig,
  addAudit,
];

export function addCommands(program: Command, ctx: CliContext): void {
  for (const add of SUBCOMMANDS) add(program, ctx);
}
