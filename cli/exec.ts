import { constants } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../protocol/provisioning-token.ts';
import { type CliContext, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  timeout?: number;
}

const HELP = `
The words after -- are joined by spaces and run by /bin/sh -c, with the rights of who calls this. Output comes as it
is made. Exit code: the command's own; 124 when its time was over, 128+N when signal N ended it, 126 when it could
not be started, 130 after Ctrl-C.
`;

const seconds = (text: string): number => {
  const value = parseDuration(text);
  if (value === undefined || value <= 0)
    throw new InvalidArgumentError('It must look like 30, 90s, 5m or 1h.');
  return value;
};

export function addExec(program: Command, ctx: CliContext): void {
  withHome(program.command('exec'))
    .description('run a command on this machine, as the agent would')
    .option('--timeout <time>', 'seconds, or 90s, 5m, 1h (default: tools.shell_executor.timeout)', seconds)
    .argument('<command...>', 'the command, after --')
    .passThroughOptions()
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: Flags) => {
      ctx.process.exitCode = await run(words.join(' '), flags, ctx);
    });
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

  const config = await loadAgentConfig({ layout: layoutFor(flags.home, ctx), env: process.env });
  const { enabled, timeout } = config.tools.shell_executor;
  const cancel = new AbortController();
  const onSignal = () => cancel.abort();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const folder = await mkdtemp(join(tmpdir(), 'vm-agent-exec-'));
  const env = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const streams = { stdout: process.stdout, stderr: process.stderr };
  try {
    const outcome = await executeLocally({
      args: { command, ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }) },
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
    await rm(folder, { recursive: true, force: true });
  }
}

const signalNumber = (name: string): number =>
  (constants.signals as Readonly<Record<string, number>>)[name] ?? 0;
