import {
  commandOutputSchema,
  SHELL_TOOL,
  type ShellArguments,
  shellArgumentsSchema,
} from '../../protocol/tool-manifest.ts';
import type { LeftoverSweeper } from '../executor/leftovers.ts';
import type { PipePool } from '../executor/pipes.ts';
import { findTree, killTree, terminateTree } from '../executor/process-tree.ts';
import { type ProcessEnd, type RunningShell, spawnShell } from '../executor/spawn.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

/** After SIGTERM a command's processes have this long until SIGKILL. */
const TERM_GRACE_MS = 5000;
/** When the shell has ended but something still holds its output open, it has this long to finish writing. */
const PIPE_GRACE_MS = 250;

export interface ShellOptions {
  pipes: PipePool;
  leftovers: LeftoverSweeper;
  enabled: boolean;
  defaultTimeoutS: number;
  /** The whole environment of a command, without what its caller adds. */
  env: Readonly<Record<string, string>>;
  /** Where commands start when nothing else is said; it must exist. */
  cwd: string;
}

/**
 * A clean environment for commands: nothing of the daemon's own but what is passed in. The path is the
 * usual one, since a service's own may be short.
 */
export function commandEnvironment(user: {
  name: string;
  home: string;
  lang?: string | undefined;
}): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: '/bin/sh',
    LANG: user.lang ?? 'C.UTF-8',
  };
}

/** Runs a command by `/bin/sh -c` and ends everything that it started, however it ends. */
export function shellTool(
  options: ShellOptions,
): Tool<typeof shellArgumentsSchema, typeof commandOutputSchema> {
  return {
    name: SHELL_TOOL,
    group: 'shell',
    title: 'Run a shell command',
    description:
      'Runs a command by /bin/sh -c and returns its exit code, stdout and stderr. Everything that it started ends with it.',
    input: shellArgumentsSchema,
    output: commandOutputSchema,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    disabled: !options.enabled,
    defaultTimeoutS: options.defaultTimeoutS,
    run: (context, args) => runShell(options, context, args),
  };
}

async function runShell(options: ShellOptions, context: ToolContext, args: ShellArguments): Promise<ToolEnd> {
  const cwd = args.cwd ?? options.cwd;
  let shell: RunningShell;
  try {
    shell = await spawnShell({
      id: context.id,
      command: args.command,
      cwd,
      env: { ...options.env, ...args.env },
      pipes: options.pipes,
      stdout: (bytes) => context.output('stdout', bytes),
      stderr: (bytes) => context.output('stderr', bytes),
    });
  } catch (cause) {
    return { kind: 'not_started', code: 'not_started', message: whyNotStarted(cause, cwd) };
  }
  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= endTree(shell, context);
  };
  if (context.signal.aborted) end();
  else context.signal.addEventListener('abort', end, { once: true });

  const exit = await shell.exited;
  if (ending === undefined) await drain(shell, context);
  // A stop may have come while the last output was being read.
  if (ending !== undefined) {
    await ending;
    shell.abandonOutput();
  } else options.leftovers.add(shell.tree.mark);
  context.signal.removeEventListener('abort', end);
  return toEnd(exit);
}

/** Reads what is left in the pipes. Whoever holds them open longer than the grace is ended: the command is over. */
async function drain(shell: RunningShell, context: ToolContext): Promise<void> {
  if (await drainedWithin(shell, context)) return;
  const { killed } = await killTree(() => findTree(shell.tree, true), context.clock);
  if (killed > 0) context.log.debug({ id: context.id, killed }, 'ended what a command left behind');
  // A reader that is held back is given its time; one that gets nothing waits for a process that escaped.
  while (!(await drainedWithin(shell, context))) {
    if (!shell.held() || context.signal.aborted) return shell.abandonOutput();
  }
}

async function drainedWithin(shell: RunningShell, context: ToolContext): Promise<boolean> {
  const patience = new AbortController();
  const expired = context.clock.sleep(PIPE_GRACE_MS, patience.signal).then(
    () => false,
    () => true,
  );
  const drained = await Promise.race([shell.drained.then(() => true), expired]);
  patience.abort();
  return drained;
}

async function endTree(shell: RunningShell, context: ToolContext): Promise<void> {
  const left = await terminateTree({
    tree: shell.tree,
    reaped: shell.reaped,
    graceMs: TERM_GRACE_MS,
    clock: context.clock,
  });
  if (left > 0) context.log.warn({ id: context.id, left }, 'processes of a command could not be ended');
  // What they wrote last is still in the pipes.
  await drainedWithin(shell, context);
}

function toEnd(exit: ProcessEnd): ToolEnd {
  return exit.signal === null
    ? { kind: 'exited', exitCode: exit.exitCode ?? 0 }
    : { kind: 'signalled', signal: exit.signal };
}

function whyNotStarted(cause: unknown, cwd: string): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `The working directory ${cwd} does not exist, or /bin/sh is missing.`;
  if (code === 'ENOTDIR') return `The working directory ${cwd} is not a directory.`;
  if (code === 'EACCES') return `The agent's user may not enter the working directory ${cwd}.`;
  if (code === 'E2BIG') return 'The command and its environment are longer than the system allows.';
  if (code === 'EAGAIN') return 'The system allows no more processes just now.';
  return `The shell could not be started: ${message}.`;
}
