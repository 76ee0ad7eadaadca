import { inspect } from 'node:util';
import { Command, CommanderError } from 'commander';
import { AppError, type ErrorCode } from '../protocol/errors.ts';
import { register as registerAdmin } from './cli/admin.ts';
import { register as registerAgents } from './cli/agents.ts';
import { register as registerApiTokens } from './cli/api-tokens.ts';
import { register as registerApprovalRules } from './cli/approval-rules.ts';
import { register as registerApprovals } from './cli/approvals.ts';
import { register as registerAudit } from './cli/audit.ts';
import { register as registerBackup } from './cli/backup.ts';
import { register as registerBootstrap } from './cli/bootstrap.ts';
import { register as registerCa } from './cli/ca.ts';
import { EXIT, printError } from './cli/client.ts';
import { register as registerCloudInit } from './cli/cloud-init.ts';
import { addCompletion } from './cli/completion.ts';
import type { CliDeps } from './cli/deps.ts';
import { register as registerFiles } from './cli/files.ts';
import { register as registerJobs } from './cli/jobs.ts';
import { register as registerLocks } from './cli/locks.ts';
import { register as registerLook } from './cli/look.ts';
import { register as registerOrg } from './cli/org.ts';
import { register as registerOverview } from './cli/overview.ts';
import { OutputError, write } from './cli/print.ts';
import { register as registerRecordings } from './cli/recordings.ts';
import { register as registerRestores } from './cli/restores.ts';
import { register as registerRun } from './cli/run.ts';
import { register as registerSaved } from './cli/saved.ts';
import { register as registerSchedules } from './cli/schedules.ts';
import { register as registerServe } from './cli/serve.ts';
import { register as registerShell } from './cli/shell.ts';
import { register as registerToken } from './cli/token.ts';
import { register as registerUpgrade } from './cli/upgrade.ts';
import { register as registerUsers } from './cli/users.ts';
import { register as registerWhoami } from './cli/whoami.ts';

/** Each subcommand is one file that adds itself; this list is the order of the help text. */
const SUBCOMMANDS = [
  registerServe,
  registerBootstrap,
  registerAdmin,
  registerBackup,
  registerToken,
  registerCloudInit,
  registerOverview,
  registerAgents,
  registerLook,
  registerFiles,
  registerRun,
  registerJobs,
  registerSchedules,
  registerSaved,
  registerShell,
  registerRecordings,
  registerUpgrade,
  registerApprovals,
  registerApprovalRules,
  registerLocks,
  registerAudit,
  registerRestores,
  registerCa,
  registerOrg,
  registerUsers,
  registerApiTokens,
  registerWhoami,
];

/** An option or a variable says what cannot be: the same call never works. */
const WRONG_CALL: ReadonlySet<ErrorCode> = new Set(['config_invalid', 'url_scheme', 'unsupported']);

export function addCommands(program: Command, deps: CliDeps): void {
  for (const register of SUBCOMMANDS) register(program, deps);
}

function build(deps: CliDeps, json: boolean, writeOut: (text: string) => void): Command {
  const program = new Command('vm-orchestrator')
    .description('control plane of vm-agent: serves agents and people, and speaks to a running one')
    .version(deps.version, '--version', 'print the version')
    .showHelpAfterError('(add --help for what is allowed)')
    .configureOutput({
      writeOut,
      // For machines the problem below says it.
      writeErr: (text) => void (json || deps.stderr.write(text)),
      getOutHasColors: () => deps.stdout.isTTY === true && !deps.env['NO_COLOR'],
      getErrHasColors: () => deps.stderr.isTTY === true && !deps.env['NO_COLOR'],
    })
    .exitOverride();
  addCommands(program, deps);
  addCompletion(program, (text) => void deps.stdout.write(text));
  return program;
}

function wrongCall(cause: CommanderError): AppError {
  const missing = cause.code === 'commander.help';
  return new AppError('bad_request', {
    detail: missing ? 'A subcommand is missing.' : cause.message.replace(/^error: /, ''),
    hint: 'Add --help, without --json, for what is allowed.',
    cause,
  });
}

/** Runs the command line; returns the exit code: 0, 1 for a failure, 2 for a wrong call, or what the subcommand says. */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  let code = 0;
  let help = '';
  const end = argv.indexOf('--');
  const json = argv.slice(0, end === -1 ? undefined : end).includes('--json');
  const program = build(
    {
      ...deps,
      exitWith: (wanted) => {
        code = wanted;
      },
    },
    json,
    (text) => {
      help += text;
    },
  );
  let logLevel: unknown;
  program.hook('preAction', (_, subcommand) => {
    logLevel = subcommand.opts()['logLevel'];
  });
  try {
    await program.parseAsync([...argv], { from: 'user' }).finally(async () => {
      if (help !== '') await write(deps.stdout, help);
    });
    return code;
  } catch (cause) {
    if (cause instanceof OutputError) {
      const { closed, message, hint } = cause;
      if (!closed || hint !== undefined)
        printError(
          deps,
          new AppError('unavailable', { detail: message, ...(hint === undefined ? {} : { hint }), cause }),
          json,
        );
      return closed ? EXIT.outputClosed : 1;
    }
    // Help and version end by an "error" of code 0; what was wrong with a call has been printed.
    if (cause instanceof CommanderError) {
      if (cause.exitCode === 0) return 0;
      if (json) printError(deps, wrongCall(cause), true);
      return 2;
    }
    if (!(cause instanceof AppError)) {
      // The subcommands that have no log of their own show the stack.
      if (logLevel === undefined || logLevel === 'debug') throw cause;
      const what = cause instanceof Error ? cause.message : String(cause);
      deps.stderr.write(
        `vm-orchestrator: unexpected: ${what.split('\n', 1)[0]} (run it with --log-level debug to see where)\n`,
      );
      return 1;
    }
    printError(deps, cause, json);
    if (logLevel === 'debug') deps.stderr.write(`${inspect(cause)}\n`);
    return WRONG_CALL.has(cause.code) ? 2 : 1;
  }
}
