import { constants } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import type { ShellHost } from '../agent/tools/shell-host.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import { parseDuration } from '../protocol/duration.ts';
import { type CliContext, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  timeout?: number;
}

const HELP = `
The words after -- are joined by spaces and run by /bin/sh -c, with the rights of who calls this; for root in a systemd
unit of its own, through the executor, which notes it in the audit log. Options may also
follow a command in one quoted string: vm-agent exec 'ps aux' --timeout 60. Output comes as it is made. Exit code: the
command's own; 124 when its time was over, 128+N when signal N ended it, 126 when it could not be started, 130 after
Ctrl-C.
`;

const seconds = (text: string): number => {
  const value = parseDuration(text);
  if (value === undefined || value <= 0)
    throw new InvalidArgumentError('It must look like 30, 90s, 5m or 1h.');
  return value;
};

export function addExec(program: Command, ctx: CliContext): void {
  withHome(program.command('exec'))
    .description('run a command on this machine as yourself, by the agent’s means')
    .option('--timeout <time>', 'seconds, or 90s, 5m, 1h (default: tools.shell_executor.timeout)', seconds)
    .argument('<command...>', 'the command, after --')
    .passThroughOptions()
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: Flags) => {
      const literal = ctx.process.argv.includes('--');
      const { command, later } = literal ? { command: words.join(' '), later: {} } : splitOptions(words);
      ctx.process.exitCode = await run(command, { ...flags, ...later }, ctx);
    });
}

/**
 * Options after a command that is one quoted string are ours: nobody who quotes `'ps aux'` means `ps aux --timeout`.
 * Everything else behind the first word belongs to the command.
 */
export function splitOptions(words: readonly string[]): { command: string; later: Flags } {
  const [quoted = '', ...rest] = words;
  const later: Flags = {};
  for (let i = 0; i < rest.length; ) {
    const match = /^--(timeout|home)(?:=(.*))?$/s.exec(rest[i] ?? '');
    const value = match?.[2] ?? rest[i + 1];
    if (!/\s/.test(quoted) || match === null || value === undefined)
      return { command: words.join(' '), later: {} };
    if (match[1] === 'timeout') later.timeout = seconds(value);
    else later.home = value;
    i += match[2] === undefined ? 2 : 1;
  }
  return { command: quoted, later };
}

async function run(command: string, flags: Flags, ctx: CliContext): Promise<number> {
  const { mkdtemp, rm } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const { executeLocally } = await import('../agent/tools/local-exec.ts');
  const { loadAgentConfig } = await import('../agent/config.ts');
  const { systemClock } = await import('../base/clock.ts');
  const { silentLogger } = await import('../base/logger.ts');
  const { process } = ctx;
  const layout = layoutFor(flags.home, ctx);

  const config = await loadAgentConfig({ layout, env: process.env });
  const { enabled, timeout } = config.tools.shell_executor;
  const cancel = new AbortController();
  const onSignal = () => cancel.abort();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const folder = await mkdtemp(join(tmpdir(), 'vm-agent-exec-'));
  const env = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const executor = await executorForRoot(layout, process);
  const streams = { stdout: process.stdout, stderr: process.stderr };
  try {
    const outcome = await executeLocally({
      args: {
        command,
        ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
        ...(executor === undefined ? {} : { cwd: process.cwd(), env: passedOn(process.env) }),
      },
      host: executor?.host,
      enabled,
      defaultTimeoutS: timeout,
      env: Object.fromEntries(env),
      cwd: process.cwd(),
      folder,
      clock: systemClock,
      log: silentLogger,
      signal: cancel.signal,
      // The bytes are ours during the call alone; a full pipe holds the command back.
      output: (name, bytes) =>
        new Promise((resolve) => streams[name].write(Buffer.from(bytes), () => resolve())),
    });
    if (outcome.error !== undefined) process.stderr.write(`vm-agent: ${outcome.error.message}\n`);
    if (outcome.state === 'cancelled') return 130;
    if (outcome.state === 'timed_out') return 124;
    if (outcome.exit_code !== undefined) return outcome.exit_code;
    if (outcome.signal !== undefined) return 128 + signalNumber(outcome.signal);
    return 126;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    executor?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Root's way to the executor, where there is one: the command gets a unit, and an entry in the audit log. */
async function executorForRoot(
  layout: DiskLayout,
  process: NodeJS.Process,
): Promise<{ host: ShellHost; close(): void } | undefined> {
  const { existsSync } = await import('node:fs');
  const { adminSocket } = await import('../protocol/disk-layout.ts');
  const path = adminSocket(layout);
  if (process.getuid?.() !== 0 || layout.home !== undefined || !existsSync(path)) return undefined;
  const { ExecutorClient } = await import('../agent/executor/client.ts');
  const { PROGRAM_VERSION } = await import('../agent/identity/program-version.ts');
  const { remoteShell } = await import('../agent/tools/remote.ts');
  const { systemClock: clock } = await import('../base/clock.ts');
  const { silentLogger: log } = await import('../base/logger.ts');
  const onCondition = () => undefined;
  const client = new ExecutorClient({ path, version: PROGRAM_VERSION, clock, log, onCondition });
  return { host: remoteShell(client), close: () => client.close() };
}

/** What of the caller's environment can be given to another process's child. */
const passedOn = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter(
      (pair): pair is [string, string] => pair[1] !== undefined && /^[A-Za-z_][A-Za-z0-9_]*$/.test(pair[0]),
    ),
  );

const signalNumber = (name: string): number =>
  (constants.signals as Readonly<Record<string, number>>)[name] ?? 0;
