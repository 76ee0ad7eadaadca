import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import { AppError } from '../protocol/errors.ts';
import { type Labels, parseLabel } from '../protocol/provisioning-token.ts';
import { EXIT, exitCodeOf, exitCodeTable } from './exit-codes.ts';
import { createHost } from './host.ts';
import { distFolder, type Installed, type InstallOptions, install } from './install.ts';
import { createReporter, type Output, paintFor } from './progress.ts';
import { serverCommand } from './steps/trial-run.ts';
import { readToken } from './token.ts';

interface Flags {
  provisioningToken?: string;
  tokenStdin?: boolean;
  tokenFile?: string;
  serverUrl?: string;
  orchestratorUrl?: string;
  caFile?: string;
  skipDependencies?: boolean;
  forceReinstall?: boolean;
  debug?: boolean;
  user?: boolean;
  home?: string;
  label?: Labels;
  port?: number;
  privilegedExecutor: boolean;
  dryRun?: boolean;
  artifacts?: string;
}

const collectLabel = (text: string, before: Labels | undefined): Labels => {
  const label = parseLabel(text);
  if (label === undefined)
    throw new InvalidArgumentError('It must look like key=value, such as env=prod or role=web.');
  return { ...before, [label[0]]: label[1] };
};

export const parsePort = (text: string): number => {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('It must be a number from 0 to 65535.');
  return port;
};

/** The options of the installer, the same for every way to start it. */
export function withInstallOptions(command: Command): Command {
  return command
    .option('--server-url <url>', 'address of the orchestrator, https://HOST:PORT (env: ORCHESTRATOR_URL)')
    .addOption(new Option('--orchestrator-url <url>', 'the same as --server-url').conflicts('serverUrl'))
    .option('--token-stdin', 'read the provisioning token from stdin: nobody else sees it')
    .option('--token-file <file>', 'read the provisioning token from a file')
    .option(
      '--provisioning-token <token>',
      'the token itself; visible to other users of this machine while this runs (env: PROVISIONING_TOKEN)',
    )
    .option(
      '--ca-file <file>',
      'take the orchestrator’s CA from a file; it must be the one that the token names',
    )
    .option('--label <key=value>', 'label that this machine reports; may be repeated', collectLabel)
    .option('--port <n>', 'port of the agent’s local interface (default 8080; 0: a free one)', parsePort)
    .option('--user', 'install for yourself: no root, no systemd')
    .option(
      '--home <dir>',
      'folder of such an installation (implies --user; default ~/.vm-agent; env: VM_AGENT_HOME)',
    )
    .option('--skip-dependencies', 'install no system packages')
    .option('--force-reinstall', 'replace the identity by a new one; keeps logs and configuration', false)
    .option(
      '--no-privileged-executor',
      'run commands inside the agent, with its rights (in this version always so)',
    )
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--debug', 'show where an error happened')
    .addOption(new Option('--artifacts <dir>', 'archives that were downloaded already').hideHelp());
}

export const EXIT_HELP = `\nExit codes:\n${exitCodeTable()}\n`;

export interface RunInstaller {
  flags: Flags;
  scope: InstallOptions['scope'];
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
    const installed = await install(await optionsFrom(run), {
      host: createHost(process, run.hostname),
      clock: systemClock,
      reporter: createReporter({ output, env: process.env, clock: systemClock }),
      note: (text) => output.write(`${text}\n`),
    });
    output.write(summary(installed, flags.dryRun === true));
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
    forceReinstall: flags.forceReinstall === true,
    dryRun: flags.dryRun === true,
    scope,
    artifacts: flags.artifacts,
    dist: distFolder(moduleDir),
  };
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    // A token is a line; a terminal or a pipe that stays open must not make us wait.
    if (text.includes('\n') || text.length > 8192) break;
  }
  return text;
}

function summary(installed: Installed, dryRun: boolean): string {
  if (dryRun) return `Dry run: ${installed.applied} steps would change something; nothing was changed.\n`;
  const name = installed.vmId ?? 'this machine';
  const first =
    installed.applied === 0
      ? `Nothing to do: ${name} (${installed.agentId}) is installed, enrolled and healthy.`
      : `Done: ${name} is enrolled as ${installed.agentId}.`;
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
