import type { ChildProcess, StdioOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** How a program ended and all that it printed, byte for byte. */
export interface Outcome {
  /** Exit status; 128 + the signal's number where a signal ended it, as a shell says it. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** `stdout` as UTF-8. */
  readonly out: string;
  /** `stderr` as UTF-8. */
  readonly err: string;
}

export interface CommandOptions {
  /** Given on stdin, which is then closed; without it stdin is empty. */
  readonly input?: string | Uint8Array;
  /** The whole environment; without it the caller's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** After this the program and its process group are killed and the call rejects. Default: 60 s. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 60_000;

/** Starts a program as the leader of a process group of its own, so that `killGroup` reaches its children. */
export function startProgram(
  argv: readonly string[],
  env?: Readonly<Record<string, string>>,
  stdio?: StdioOptions,
): ChildProcess {
  const [file, ...args] = argv;
  if (file === undefined) throw new Error('startProgram: an empty argv names no program');
  return spawn(file, args, {
    detached: true,
    stdio: stdio ?? ['pipe', 'pipe', 'pipe'],
    ...(env === undefined ? {} : { env: { ...env } }),
  });
}

export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Runs a program to its end. Any exit status is an answer; only a timeout or a failed start rejects. */
export async function runProgram(argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return collect(startProgram(argv, options.env), argv, options);
}

/** As `runProgram`, but another status than 0 rejects with what was printed. */
export async function runProgramOk(argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const outcome = await runProgram(argv, options);
  if (outcome.code !== 0) throw new Error(describeFailure(argv, `ended with ${outcome.code}`, outcome));
  return outcome;
}

export function describeFailure(
  argv: readonly string[],
  what: string,
  outcome: Pick<Outcome, 'out' | 'err'>,
): string {
  return `${argv.join(' ')}: ${what}\n--- stdout\n${outcome.out}\n--- stderr\n${outcome.err}`;
}

function collect(child: ChildProcess, argv: readonly string[], options: CommandOptions): Promise<Outcome> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that ends without reading its input breaks the pipe; its exit status says what matters.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input);
  return new Promise((resolve, reject) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, timeoutMs);
    child.once('error', (cause) => {
      clearTimeout(timer);
      reject(new Error(`${argv.join(' ')}: could not be started: ${cause.message}`, { cause }));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const outcome = outcomeOf(code, signal, Buffer.concat(stdout), Buffer.concat(stderr));
      if (timedOut) reject(new Error(describeFailure(argv, `killed after ${timeoutMs} ms`, outcome)));
      else resolve(outcome);
    });
  });
}

function outcomeOf(
  code: number | null,
  signal: NodeJS.Signals | null,
  stdout: Buffer,
  stderr: Buffer,
): Outcome {
  const status = code ?? 128 + (signal === null ? 0 : (signals[signal] ?? 0));
  return { code: status, stdout, stderr, out: stdout.toString('utf8'), err: stderr.toString('utf8') };
}

const signals = constants.signals as Readonly<Partial<Record<NodeJS.Signals, number>>>;
