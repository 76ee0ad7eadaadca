import { Command, CommanderError } from 'commander';
import { AppError, type ErrorCode } from '../protocol/errors.ts';
import { register as registerAdmin } from './cli/admin.ts';
import { register as registerAgents } from './cli/agents.ts';
import { register as registerBootstrap } from './cli/bootstrap.ts';
import { EXIT } from './cli/client.ts';
import type { CliDeps } from './cli/deps.ts';
import { register as registerJobs } from './cli/jobs.ts';
import { register as registerOrg } from './cli/org.ts';
import { OutputClosed } from './cli/print.ts';
import { register as registerRun } from './cli/run.ts';
import { register as registerServe } from './cli/serve.ts';
import { register as registerToken } from './cli/token.ts';

/** Each subcommand is one file that adds itself; this list is the order of the help text. */
const SUBCOMMANDS = [
  registerServe,
  registerBootstrap,
  registerAdmin,
  registerToken,
  registerAgents,
  registerRun,
  registerJobs,
  registerOrg,
];

/** An option or a variable says what cannot be: the same call never works. */
const WRONG_CALL: ReadonlySet<ErrorCode> = new Set(['config_invalid', 'url_scheme', 'unsupported']);

function build(deps: CliDeps): Command {
  const program = new Command('vm-orchestrator')
    .description('Control plane of vm-agent: serves agents and people, and speaks to a running one.')
    .version(deps.version, '--version', 'print the version')
    .showHelpAfterError('(add --help for what is allowed)')
    .configureOutput({
      writeOut: (text) => void deps.stdout.write(text),
      writeErr: (text) => void deps.stderr.write(text),
      getOutHasColors: () => deps.stdout.isTTY === true && !deps.env['NO_COLOR'],
      getErrHasColors: () => deps.stderr.isTTY === true && !deps.env['NO_COLOR'],
    })
    .exitOverride();
  for (const register of SUBCOMMANDS) register(program, deps);
  return program;
}

/** Runs the command line; returns the exit code: 0, 1 for a failure, 2 for a wrong call, or what the subcommand says. */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  let code = 0;
  const program = build({
    ...deps,
    exitWith: (wanted) => {
      code = wanted;
    },
  });
  let logLevel: unknown;
  program.hook('preAction', (_, subcommand) => {
    logLevel = subcommand.opts()['logLevel'];
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (cause) {
    if (cause instanceof OutputClosed) return EXIT.outputClosed;
    // Help and version end by an "error" of code 0; what was wrong with a call has been printed.
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : 2;
    if (!(cause instanceof AppError)) {
      // The subcommands that have no log of their own show the stack.
      if (logLevel === undefined || logLevel === 'debug') throw cause;
      const what = cause instanceof Error ? cause.message : String(cause);
      deps.stderr.write(
        `vm-orchestrator: unexpected: ${what.split('\n', 1)[0]} (run it with --log-level debug to see where)\n`,
      );
      return 1;
    }
    deps.stderr.write(
      `vm-orchestrator: ${cause.message}\n${cause.hint === undefined ? '' : `  ${cause.hint}\n`}`,
    );
    return WRONG_CALL.has(cause.code) ? 2 : 1;
  }
}
