import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';

/** The caller's environment without what configures us or Node, or was put there by npm: it must not change what is measured. */
export const plainEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VM_AGENT_|VM_ORCHESTRATOR_|NODE_|npm_)/.test(name)),
  );

/** What runs now. When a person interrupts, its end makes whatever waits for it fail, and each scope cleans up after itself. */
const live = new Set<ChildProcess>();

function tracked<C extends ChildProcess>(child: C): C {
  live.add(child);
  child.on('exit', () => live.delete(child));
  return child;
}

export function endAll(): void {
  for (const child of live) child.kill();
}

export interface Ran {
  ms: number;
  code: number | null;
  signal: string | null;
  /** Bytes. */
  stdout: number;
  text: string;
  stderr: string;
}

export interface Spawner extends AsyncDisposable {
  readonly pid: number;
  /** Runs a program to its end. @throws when it did not start, or ended otherwise than with code 0. */
  run(file: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ran>;
}

/** The small process that starts all programs that are compared; one at a time. */
export function startSpawner(): Spawner {
  const program = join(import.meta.dirname, '../peers/spawner.mjs');
  const child = tracked(fork(program, [], { execArgv: [], env: plainEnv() }));
  return {
    pid: child.pid ?? 0,
    async run(file, args, env) {
      child.send({ file, args, env });
      const gone = new AbortController();
      const onExit = () => gone.abort(new Error(`the process that starts programs ended during ${file}`));
      child.once('exit', onExit);
      const [ran] = (await once(child, 'message', { signal: gone.signal })) as [Ran | { error: string }];
      child.off('exit', onExit);
      if ('error' in ran) throw new Error(`${file} did not start: ${ran.error}`);
      if (ran.code !== 0)
        throw new Error(
          `${file} ${args.join(' ')} ended with ${ran.code ?? ran.signal}: ${ran.stderr.trim()}`,
        );
      return ran;
    },
    async [Symbol.asyncDispose]() {
      await end(child);
    },
  };
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;
const PATIENCE_MS = 10_000;

/** Asks a process to stop, and makes it after ten seconds. Resolves when it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.pid === undefined || ended(child)) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const timer = systemClock.setTimer(PATIENCE_MS, () => child.kill('SIGKILL'));
  await gone;
  timer.cancel();
}

export interface Daemon extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it has written so far, for an error message. */
  output(): string;
  /** Calls `look` with each whole line of stdout until it answers something. @throws when the process ends first. */
  line<T>(look: (line: string) => T | undefined): Promise<T>;
}

const KEPT_OUTPUT = 16_384;

/** Starts a program that stays. It is ended, by its own pid, when the owner's scope ends. */
export function startDaemon(file: string, args: readonly string[], env?: NodeJS.ProcessEnv): Daemon {
  const child = tracked(spawn(file, args, { env: env ?? plainEnv(), stdio: ['ignore', 'pipe', 'pipe'] }));
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-KEPT_OUTPUT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return {
    child,
    pid: child.pid ?? 0,
    output: () => output,
    line: (look) =>
      new Promise((resolve, reject) => {
        let rest = '';
        const settle = () => {
          child.stdout.off('data', onData);
          child.off('close', onClose);
        };
        const onData = (chunk: Buffer) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            const found = look(line);
            if (found === undefined) continue;
            settle();
            return resolve(found);
          }
        };
        const onClose = (code: number | null) => {
          settle();
          reject(new Error(`${file} ${args.join(' ')} ended with ${code} too early:\n${output}`));
        };
        child.stdout.on('data', onData);
        child.on('close', onClose);
      }),
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** A port of 127.0.0.1 that was free a moment ago, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const answer = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.on('connect', () => answer(true));
    socket.on('error', () => answer(false));
  });

/** Resolves when somebody listens on the port, tried every millisecond. @throws when the process ends or 30 s pass. */
export async function portAccepts(port: number, daemon: Daemon): Promise<void> {
  const giveUp = systemClock.monotonic() + 30_000;
  while (!(await accepts(port))) {
    if (ended(daemon.child))
      throw new Error(`process ${daemon.pid} ended before it listened:\n${daemon.output()}`);
    if (systemClock.monotonic() > giveUp)
      throw new Error(`nothing listens on port ${port} after 30 s:\n${daemon.output()}`);
    await systemClock.sleep(1);
  }
}
