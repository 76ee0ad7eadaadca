import { closeSync } from 'node:fs';
import type { ShellArguments } from '../../protocol/tool-manifest.ts';
import type { LeftoverSweeper } from '../executor/leftovers.ts';
import type { PipePool } from '../executor/pipes.ts';
import { findTree, killTree, type Tree, terminateTree } from '../executor/process-tree.ts';
import { type ProcessEnd, type RunningShell, spawnShell } from '../executor/spawn.ts';
import { type CallContext, type ToolEnd, ToolStop } from './tool.ts';

/** After SIGTERM a command's processes have this long until SIGKILL. */
const TERM_GRACE_MS = 5000;
/** …or this long when whoever asked for it has gone, and nobody waits for its last words. */
const ABANDONED_GRACE_MS = 300;
/** When the shell has ended but something still holds its output open, it has this long to finish writing. */
const PIPE_GRACE_MS = 250;

/** What commands of one agent share. */
export interface ShellHost {
  pipes: PipePool;
  leftovers: LeftoverSweeper;
  /** The whole environment of a command, without what its caller adds. */
  env: Readonly<Record<string, string>>;
  /** Where commands start when nothing else is said; it must exist. */
  cwd: string;
}

export interface ShellRun {
  host: ShellHost;
  context: CallContext;
  args: Pick<ShellArguments, 'command' | 'cwd' | 'env'>;
  /** A descriptor that is closed here once the command has it; without one stdin is /dev/null. */
  stdin?: number | undefined;
  /** stdout and stderr together on `stdout`, in the order in which they were written. */
  merged?: boolean;
  /** Somebody will read how it ends, even when it is cancelled. */
  awaited?: boolean;
  onStarted?(tree: Tree, reaped: () => boolean): void;
}

/** Runs a command to its end, or until the context's signal ends it with everything that it started. */
export async function runShell(run: ShellRun): Promise<ToolEnd> {
  const { host, context, args, stdin } = run;
  const cwd = args.cwd ?? host.cwd;
  let shell: RunningShell;
  try {
    shell = await spawnShell({
      id: context.id,
      command: args.command,
      cwd,
      env: { ...host.env, ...args.env },
      pipes: host.pipes,
      stdout: (bytes) => context.output('stdout', bytes),
      ...(run.merged ? {} : { stderr: (bytes: Buffer) => context.output('stderr', bytes) }),
      ...(stdin === undefined ? {} : { stdin }),
    });
  } catch (cause) {
    return { kind: 'not_started', code: 'not_started', message: whyNotStarted(cause, cwd) };
  } finally {
    if (stdin !== undefined) closeSync(stdin);
  }
  run.onStarted?.(shell.tree, shell.reaped);
  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= endTree(shell, context, run.awaited !== true && isAbandoned(context));
  };
  if (context.signal.aborted) end();
  else context.signal.addEventListener('abort', end, { once: true });

  const exit = await shell.exited;
  if (ending === undefined) await drain(shell, context);
  // A stop may have come while the last output was being read.
  if (ending !== undefined) {
    await ending;
    shell.abandonOutput();
  } else host.leftovers.add(shell.tree.mark);
  context.signal.removeEventListener('abort', end);
  return toEnd(exit);
}

/** Reads what is left in the pipes. Whoever holds them open longer than the grace is ended: the command is over. */
async function drain(shell: RunningShell, context: CallContext): Promise<void> {
  if (await drainedWithin(shell, context)) return;
  const { killed } = await killTree(() => findTree(shell.tree, true), context.clock);
  if (killed > 0) context.log.debug({ id: context.id, killed }, 'ended what a command left behind');
  // A reader that is held back is given its time; one that gets nothing waits for a process that escaped.
  while (!(await drainedWithin(shell, context))) {
    if (!shell.held() || context.signal.aborted) return shell.abandonOutput();
  }
}

async function drainedWithin(shell: RunningShell, context: CallContext): Promise<boolean> {
  const patience = new AbortController();
  const expired = context.clock.sleep(PIPE_GRACE_MS, patience.signal).then(
    () => false,
    () => true,
  );
  const drained = await Promise.race([shell.drained.then(() => true), expired]);
  patience.abort();
  return drained;
}

async function endTree(shell: RunningShell, context: CallContext, abandoned: boolean): Promise<void> {
  const left = await terminateTree({
    tree: shell.tree,
    reaped: shell.reaped,
    graceMs: abandoned ? ABANDONED_GRACE_MS : TERM_GRACE_MS,
    clock: context.clock,
  });
  if (left > 0) context.log.warn({ id: context.id, left }, 'processes of a command could not be ended');
  // What they wrote last is still in the pipes.
  await drainedWithin(shell, context);
}

/** Over MCP a cancelled call is not answered any more, and its client counts on its end. */
const isAbandoned = ({ caller, signal }: CallContext): boolean =>
  caller.door === 'mcp' && signal.reason instanceof ToolStop && signal.reason.stop === 'cancelled';

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
