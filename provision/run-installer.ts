import { resolve } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { AppError } from '../protocol/errors.ts';
import type { InstallFlags } from './command.ts';
import { debuggedHost, debuggedReporter } from './debug.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { createHost } from './host.ts';
import { distFolder, type Installed, type InstallOptions, install, type Scope } from './install.ts';
import { createReporter, type Output, paintFor } from './progress.ts';
import { serverCommand } from './steps/trial-run.ts';
import { readToken } from './token.ts';

export interface RunInstaller {
  flags: InstallFlags;
  scope: Scope;
  process: NodeJS.Process;
  hostname: string;
  homedir: string;
  /** `import.meta.dirname` of the program. */
  moduleDir: string;
}

/** Runs the installer as a program: reads the token, shows progress, answers the exit code. */
export async function runInstaller(run: RunInstaller): Promise<number> {
  const { flags, process } = run;
  const output: Output = process.stdout;
  const paint = paintFor(process.stderr, process.env);
  try {
    if (flags.provisioningToken !== undefined) {
      process.stderr.write(
        `${paint.yellow('warning:')} a token in --provisioning-token can be read by other users of this machine while this runs; --token-stdin and --token-file keep it to yourself.\n`,
      );
    }
    const host = createHost(process, run.hostname);
    const reporter = createReporter({ output, env: process.env, clock: systemClock });
    const debug = { output: process.stderr, clock: systemClock };
    const installed = await install(await optionsFrom(run), {
      host: flags.debug ? debuggedHost(host, debug) : host,
      clock: systemClock,
      reporter: flags.debug ? debuggedReporter(reporter, debug) : reporter,
      note: (text) => output.write(`${text}\n`),
    });
    output.write(summary(installed, run.scope, flags.dryRun === true));
    return EXIT.ok;
  } catch (cause) {
    return reportFailure(cause, { output: process.stderr, env: process.env, debug: flags.debug === true });
  }
}

async function optionsFrom({
  flags,
  scope,
  process,
  homedir,
  moduleDir,
}: RunInstaller): Promise<InstallOptions> {
  const { env } = process;
  const home = flags.home ?? env['VM_AGENT_HOME'];
  const token = await readToken(
    {
      argument: flags.provisioningToken,
      file: flags.tokenFile,
      stdin: flags.tokenStdin === true,
      env: env['PROVISIONING_TOKEN'],
    },
    () => readAll(process.stdin),
  );
  return {
    mode: flags.user || home !== undefined ? 'user' : 'system',
    home: resolve(home ?? `${homedir}/.vm-agent`),
    server: flags.serverUrl ?? flags.orchestratorUrl ?? (env['ORCHESTRATOR_URL'] || undefined),
    token,
    caFile: flags.caFile,
    labels: flags.label ?? {},
    port: flags.port,
    skipDependencies: flags.skipDependencies === true,
    privilegedExecutor: flags.privilegedExecutor,
    forceReinstall: flags.forceReinstall === true,
    sameMachine: flags.sameMachine === true,
    dryRun: flags.dryRun === true,
    scope,
    artifacts: flags.artifacts,
    dist: distFolder(moduleDir),
  };
}

/** A line, or what there is. */
export async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    // A token is a line; a terminal or a pipe that stays open must not make us wait.
    if (text.includes('\n') || text.length > 8192) break;
  }
  return text;
}

function summary(installed: Installed, scope: Scope, dryRun: boolean): string {
  if (dryRun) return `Dry run: ${installed.applied} steps would change something; nothing was changed.\n`;
  const name = installed.vmId ?? 'this machine';
  const first =
    installed.applied === 0
      ? `Nothing to do: ${name} (${installed.agentId}) is installed and enrolled.`
      : `Done: ${name} is enrolled as ${installed.agentId}.`;
  if (scope === 'identity') return `${first}\n`;
  if (installed.mode === 'system') return `${first}\nSee it: systemctl status vm-agent; vm-agent status\n`;
  return `${first}\nStart it: ${serverCommand(installed.root)}\nEverything of it is in ${installed.root} and yours; commands run with your rights.\n`;
}

/** Prints what happened and what to do; answers the exit code. */
export function reportFailure(
  cause: unknown,
  options: { output: Output; env: Readonly<Record<string, string | undefined>>; debug: boolean },
): number {
  const { output, debug } = options;
  const paint = paintFor(output, options.env);
  const error = cause instanceof AppError ? cause : undefined;
  const text = error?.message ?? (cause instanceof Error ? cause.message : String(cause));
  output.write(`${paint.red('error:')} ${text}\n`);
  if (error?.hint !== undefined) output.write(`${paint.bold('what to do:')} ${error.hint}\n`);
  if (error !== undefined) output.write(`${paint.dim(`(${error.code})`)}\n`);
  if (debug) {
    for (let at: unknown = cause; at instanceof Error; at = at.cause) output.write(`${at.stack}\n`);
  }
  if (error === undefined) return EXIT.unexpected;
  return error.code === 'bad_request' ? EXIT.usage : exitCodeOf(error.code);
}
