import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { OrchestratorProcess } from './orchestrator.ts';

const ROOT = join(import.meta.dirname, '../../..');
export const SETUP = join(ROOT, 'provision/setup.mts');
export const BOOTSTRAP = join(ROOT, 'provision/bootstrap.sh');
export const CLI = join(ROOT, 'cli/main.ts');

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

export interface StartOptions {
  input?: string;
  env?: Record<string, string>;
  uid?: number;
}

/** An environment in which nothing of the tester's own is set. */
const bareEnv = (more: Record<string, string> = {}) => ({ PATH: process.env['PATH'] ?? '', ...more });

export function startProgram(words: readonly string[], options: StartOptions = {}): ChildProcess {
  const [file = '', ...args] = words;
  const child = spawn(file, args, {
    env: bareEnv(options.env),
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid, cwd: '/' }),
  });
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  return child;
}

export async function ended(child: ChildProcess): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

export const runProgram = (words: readonly string[], options?: StartOptions): Promise<Ended> =>
  ended(startProgram(words, options));

/** The installer of the checkout, in user mode, with the token on stdin. */
export function setupWords(options: {
  url: string;
  home: string;
  more?: readonly string[];
  node?: readonly string[];
}) {
  const { url, home, more = [], node = [] } = options;
  return [
    process.execPath,
    ...node,
    SETUP,
    '--server-url',
    url,
    '--token-stdin',
    '--home',
    home,
    '--port',
    '0',
    ...more,
  ];
}

export async function agentsOf(
  orchestrator: OrchestratorProcess,
): Promise<{ agent_id: string; vm_id: string }[]> {
  const { body } = await orchestrator.call<{ items: { agent_id: string; vm_id: string }[] }>({
    path: '/api/v1/organizations/default/agents',
  });
  return body.items;
}
