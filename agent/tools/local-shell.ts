import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { LeftoverSweeper } from '../executor/leftovers.ts';
import type { PipePool } from '../executor/pipes.ts';
import { findTree, killTree, signalProcess, terminateTree } from '../executor/process-tree.ts';
import { type ProcessEnd, type RunningShell, spawnShell } from '../executor/spawn.ts';
import { storageFault } from '../storage-fault.ts';
import type { ShellHost, ShellProcess, ShellRun } from './shell-host.ts';
import { type CallContext, type ToolEnd, ToolStop } from './tool.ts';

/** After SIGTERM a command's processes have this long until SIGKILL. */
const TERM_GRACE_MS = 5000;
/** …or this long when whoever asked for it has gone, and nobody waits for its last words. */
const ABANDONED_GRACE_MS = 300;
/** When the shell has ended but something still holds its output open, it has this long to finish writing. */
const PIPE_GRACE_MS = 250;

/** What commands inside the daemon share. */
export interface LocalShellOptions {
  pipes: PipePool;
  leftovers: LeftoverSweeper;
  /** The whole environment of a command, without what its caller adds. */
  env: Readonly<Record<string, string>>;
  /** Where commands start when nothing else is said; it must exist. */
  cwd: string;
}

/** Commands with the rights of this process. */
export const localShell = (host: LocalShellOptions): ShellHost => ({ run: (run) => runShell(host, run) });

async function runShell(host: LocalShellOptions, run: ShellRun): Promise<ToolEnd> {
  const { context, args } = run;
  const cwd = args.cwd ?? host.cwd;
  let stdin: number | undefined;
  let shell: RunningShell;
  try {
    stdin = await openStdin(host, run);
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
    const fault = storageFault(host.pipes.folder, cause);
    if (fault !== undefined) return { kind: 'not_started', code: fault.code, message: fault.message };
    return { kind: 'not_started', code: 'not_started', message: whyNotStarted(cause, cwd) };
  } finally {
    if (stdin !== undefined) closeSync(stdin);
  }
  run.onStarted?.(processOf(shell, context));
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

/** A descriptor for the command, to be closed here once it has it; undefined: /dev/null. */
async function openStdin(
  { pipes }: LocalShellOptions,
  { args, input }: ShellRun,
): Promise<number | undefined> {
  if (input === undefined)
    return args.stdin === undefined ? undefined : pipes.inputFile(Buffer.from(args.stdin));
  const { read, write } = await pipes.takeInput();
  const socket = new Socket({ fd: write, readable: false, writable: true });
  // The command has closed its end: what is sent from now on has no reader.
  socket.on('error', () => input.close());
  input.attach({
    write(bytes, eof) {
      if (bytes.length > 0) socket.write(bytes);
      if (eof) socket.end();
    },
    get unsent() {
      return socket.writableLength;
    },
    close: () => socket.destroy(),
  });
  return read;
}

const processOf = ({ tree, reaped }: RunningShell, { clock }: CallContext): ShellProcess => ({
  async signal(name) {
    const find = () => findTree(tree, reaped());
    if (name === 'SIGKILL') await killTree(find, clock);
    else for (const pid of await find()) signalProcess(pid, name);
  },
});

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
