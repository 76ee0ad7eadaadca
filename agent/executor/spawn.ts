import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { type ByteSink, closePipe, type PipePool, type PipeReader, readPipe } from './pipes.ts';
import { COMMAND_MARK, markOf, type Tree } from './process-tree.ts';

export interface ProcessEnd {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunningShell {
  tree: Tree;
  /** True once the shell has ended and its pid is no longer its own. */
  reaped(): boolean;
  exited: Promise<ProcessEnd>;
  /** Resolves when both pipes are at their end: every process that held them is gone or has closed them. */
  drained: Promise<void>;
  /** Whoever takes the output holds it back just now. */
  held(): boolean;
  /** Stops reading, whoever still holds the pipes. */
  abandonOutput(): void;
}

/**
 * Starts `/bin/sh -c` in a session and process group of its own, with exactly this environment and a mark in it.
 * `stdin` is a descriptor that the child gets (it stays the caller's to close); without it /dev/null. Without `stderr`
 * both streams go through one pipe to `stdout`, in the order in which they were written.
 * @throws the system's error when it cannot start.
 */
export async function spawnShell(options: {
  id: string;
  command: string;
  cwd: string;
  env: Readonly<Record<string, string>>;
  pipes: PipePool;
  stdout: ByteSink;
  stderr?: ByteSink;
  stdin?: number;
}): Promise<RunningShell> {
  const sinks = [options.stdout, ...(options.stderr === undefined ? [] : [options.stderr])];
  const pipes = await options.pipes.take(sinks.length);
  const [out, err = out] = pipes;
  if (out === undefined || err === undefined) throw new Error('no pipes');
  let child: ChildProcess;
  try {
    child = spawn('/bin/sh', ['-c', options.command], {
      cwd: options.cwd,
      env: { ...options.env, [COMMAND_MARK]: options.id },
      detached: true,
      stdio: [options.stdin ?? 'ignore', out.write, err.write],
    });
    if (child.pid === undefined) throw await failureOf(child);
  } catch (cause) {
    for (const pipe of pipes) closePipe(pipe);
    throw cause;
  }
  for (const pipe of pipes) closeSync(pipe.write);
  let reaped = false;
  const exited = new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      reaped = true;
      resolve({ exitCode, signal });
    });
  });
  // Errors after the start are those of signals, which process-tree.ts sends itself.
  child.on('error', () => undefined);
  const readers: PipeReader[] = sinks.map((sink, i) => readPipe((pipes[i] ?? out).read, sink));
  return {
    tree: { leader: child.pid, mark: markOf(options.id) },
    reaped: () => reaped,
    exited,
    drained: Promise.all(readers.map((reader) => reader.ended)).then(() => undefined),
    held: () => readers.some((reader) => reader.held()),
    abandonOutput() {
      for (const reader of readers) reader.destroy();
    },
  };
}

const failureOf = (child: ChildProcess): Promise<Error> =>
  new Promise((resolve) => child.once('error', resolve));
