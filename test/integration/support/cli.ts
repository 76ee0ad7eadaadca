import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import type { OrchestratorProcess } from './orchestrator.ts';

const MAIN = join(import.meta.dirname, '../../../orchestrator/main.ts');

export interface Outcome {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

/** `vm-orchestrator` as a program, with an environment that leads to one orchestrator. */
export interface Cli {
  env: Record<string, string>;
  /** `input` is its stdin: empty without it. */
  spawn(args: readonly string[], over?: Record<string, string>, input?: string): ChildProcess;
  /** As `spawn`, with a stdin to write into. */
  open(args: readonly string[], over?: Record<string, string>): ChildProcess;
  run(args: readonly string[], over?: Record<string, string>): Promise<Outcome>;
  close(): Promise<void>;
}

export async function outcome(child: ChildProcess): Promise<Outcome> {
  if (!child.stdout || !child.stderr) throw new Error('no pipes');
  const [stdout, stderr, [code]] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: code as number | null, stdout, stderr };
}

export async function cliFor(orchestrator: OrchestratorProcess): Promise<Cli> {
  const scratch = await mkdtemp(join(tmpdir(), 'cli-'));
  const caFile = join(scratch, 'ca.pem');
  await writeFile(caFile, orchestrator.ca);
  const env = {
    VM_ORCHESTRATOR_URL: orchestrator.url,
    VM_ORCHESTRATOR_API_TOKEN: orchestrator.credentials.api_token,
    VM_ORCHESTRATOR_CA_FILE: caFile,
  };
  const begin = (args: readonly string[], over: Record<string, string>, stdin: 'ignore' | 'pipe') =>
    spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, ...env, ...over },
      stdio: [stdin, 'pipe', 'pipe'],
    });
  const start = (args: readonly string[], over: Record<string, string> = {}, input?: string) => {
    const child = begin(args, over, input === undefined ? 'ignore' : 'pipe');
    child.stdin?.end(input);
    return child;
  };
  return {
    env,
    spawn: start,
    open: (args, over = {}) => begin(args, over, 'pipe'),
    run: (args, over) => outcome(start(args, over)),
    close: () => rm(scratch, { recursive: true }),
  };
}
