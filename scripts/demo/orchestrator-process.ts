import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Running {
  child: ChildProcess;
  url: string;
}

/** Starts a program and collects what it says on stderr, for when it fails. */
export function start(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): { child: ChildProcess; said: () => string } {
  // In a group of its own: Ctrl-C reaches this program alone, which then ends its children in order.
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-8000);
  });
  return { child, said: () => said.trim() };
}

/** Starts `vm-orchestrator serve` and waits until it listens. */
export async function serve(options: {
  program: string;
  data: string;
  port: number;
  env: NodeJS.ProcessEnv;
}): Promise<Running> {
  const { program, data, port, env } = options;
  const { child, said } = start([program, 'serve', '--data', data, '--listen', `0.0.0.0:${port}`], env);
  if (child.stdout === null) throw new Error('the orchestrator has no stdout');
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => undefined)]);
  if (line === undefined) throw new Error(`the orchestrator did not start:\n${said()}`);
  const event = JSON.parse(String(line[0])) as { event?: unknown; url?: unknown };
  if (event.event !== 'listening' || typeof event.url !== 'string')
    throw new Error(`the orchestrator said ${line[0]} instead of that it listens`);
  // Its further lines are of no use here, but a full pipe would stop it.
  lines.on('line', () => undefined);
  return { child, url: event.url };
}

/** Ends a child by its own id: first it may finish, after 10 s it must. */
export async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}

/** Runs a program to its end with its output passed on; answers its exit code. */
export async function pass(words: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** Runs a program to its end; answers its stdout. @throws with its stderr. */
export async function capture(words: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { child, said } = start(words, env);
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${words.slice(1, 3).join(' ')} failed: ${said()}`);
  return out;
}
