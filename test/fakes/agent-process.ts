import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS } from '../../provision/node-flags.ts';

const ENTRY = fileURLToPath(new URL('./run-agent.ts', import.meta.url));

/** A daemon in a process of its own, run from the sources. */
export interface AgentProcess extends AsyncDisposable {
  pid: number;
  /** Its log so far, parsed. */
  log: Record<string, unknown>[];
  /** Resolves with the first line of the log for which `match` holds, past or to come. */
  logged(match: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** What it wrote to stderr so far. */
  stderr(): string;
  /** The port that it listens on. */
  port(): Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** Closes this end of its stdout. */
  deafen(): void;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export function startAgent(options: {
  home: string;
  env?: Record<string, string>;
  script?: string;
}): AgentProcess {
  const child: ChildProcess = spawn(
    process.execPath,
    [...NODE_FLAGS['vm-agent'], options.script ?? ENTRY, options.home],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: options.home, SECRET_OF_THE_DAEMON: 'x', ...options.env },
    },
  );
  const log: Record<string, unknown>[] = [];
  const watchers = new Set<() => void>();
  let stderr = '';
  child.stderr?.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  if (child.stdout === null || child.pid === undefined) throw new Error('the agent did not start');
  createInterface({ input: child.stdout }).on('line', (line) => {
    log.push(JSON.parse(line) as Record<string, unknown>);
    for (const watch of [...watchers]) watch();
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  const logged = (match: (line: Record<string, unknown>) => boolean) =>
    new Promise<Record<string, unknown>>((resolve) => {
      const watch = () => {
        const found = log.find(match);
        if (found === undefined) return;
        watchers.delete(watch);
        resolve(found);
      };
      watchers.add(watch);
      watch();
    });
  return {
    pid: child.pid,
    log,
    logged,
    stderr: () => stderr,
    port: async () => Number((await logged((line) => line['msg'] === 'listening'))['port']),
    signal: (signal) => child.kill(signal),
    deafen: () => child.stdout?.destroy(),
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}
