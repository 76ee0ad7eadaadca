import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { Bootstrap } from '../../../protocol/rest-fleet.ts';
import { AGENT_SNI } from '../../../protocol/version.ts';
import { NODE_FLAGS } from '../../../provision/node-flags.ts';

const MAIN = join(import.meta.dirname, '../../../orchestrator/main.ts');
const LISTENING_MS = 60_000;

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: IncomingHttpHeaders;
  body: T;
  text: string;
}

export interface CallOptions {
  method?: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** API token; the bootstrap one when undefined, none when null. */
  token?: string | null;
  /** PEM: a client certificate and its key. */
  cert?: string;
  key?: string;
}

/** One HTTPS call, verified against this CA, as an agent verifies it: by the fixed name, whatever the address. */
export async function callOrchestrator<T = Record<string, unknown>>(
  target: { url: string; ca: string },
  options: CallOptions,
): Promise<Answer<T>> {
  const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
  const request = httpsRequest(new URL(options.path, target.url), {
    method: options.method ?? (payload === undefined ? 'GET' : 'POST'),
    ca: target.ca,
    servername: AGENT_SNI,
    agent: false,
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options.key === undefined ? {} : { key: options.key }),
    headers: {
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
      ...options.headers,
    },
  });
  request.end(payload);
  const [response] = await once(request, 'response');
  const body = await text(response);
  const json = /^application\/(problem\+)?json(;|$)/.test(String(response.headers['content-type'] ?? ''));
  return {
    status: response.statusCode,
    headers: response.headers,
    body: json ? JSON.parse(body) : {},
    text: body,
  };
}

export interface OrchestratorProcess {
  pid: number;
  url: string;
  dataDir: string;
  /** PEM of the root. */
  ca: string;
  credentials: Bootstrap;
  /** With the bootstrap API token, unless the options say otherwise. */
  call<T = Record<string, unknown>>(options: CallOptions): Promise<Answer<T>>;
  /** Resolves when it has ended, however. */
  exited: Promise<unknown>;
  /** What it has logged on stderr so far. */
  log(): string;
  /** Ends the process without a chance to clean up; the data stays. */
  kill(): Promise<void>;
  /** Stops it in order, and removes the data unless it was given. Returns the exit code. */
  stop(): Promise<number | null>;
}

/** Runs `vm-orchestrator` to its end. */
export async function runOrchestratorCli(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const done = await promisify(execFile)(process.execPath, [MAIN, ...args], {
      env: { ...process.env, ...env },
    });
    return { code: 0, ...done };
  } catch (cause) {
    const { code, stdout, stderr } = cause as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

async function listeningUrl(child: ChildProcess, log: () => string): Promise<string> {
  if (!child.stdout) throw new Error('the process has no stdout');
  const deadline = AbortSignal.timeout(LISTENING_MS);
  const lines = createInterface({ input: child.stdout });
  const first = once(lines, 'line', { signal: deadline }).then(([line]) => String(line));
  const ended = once(child, 'exit', { signal: deadline }).then(() => undefined);
  const line = await Promise.race([first, ended]).catch((cause: unknown) => {
    throw new Error(`the orchestrator did not listen within ${LISTENING_MS} ms:\n${log()}`, { cause });
  });
  if (line === undefined) throw new Error(`the orchestrator ended before it listened:\n${log()}`);
  return (JSON.parse(line) as { url: string }).url;
}

/**
 * Starts a real `vm-orchestrator serve` on a free port of the loopback, with data of its own. Give `dataDir` and
 * `credentials` of one that was killed to start it again.
 */
export async function startOrchestrator(
  options: {
    args?: readonly string[];
    env?: Record<string, string>;
    dataDir?: string;
    credentials?: Bootstrap;
    /** `HOST:PORT`; port 0 by default. A restarted one needs its old port for its agents. */
    listen?: string;
    /** Instead of the program's entry: one that changes something first, and then starts it. */
    script?: string;
  } = {},
): Promise<OrchestratorProcess> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'orchestrator-')));
  const args = [
    ...NODE_FLAGS['vm-orchestrator'],
    options.script ?? MAIN,
    'serve',
    '--data',
    dataDir,
    '--listen',
    options.listen ?? '127.0.0.1:0',
    ...(options.args ?? []),
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const chunks: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  const log = () => chunks.join('');
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await exited)[0];
  };
  try {
    const url = await listeningUrl(child, log);
    const credentials = options.credentials ?? (await bootstrap(dataDir, options.env));
    const ca = readCa(dataDir);
    return {
      pid: child.pid ?? 0,
      url,
      dataDir,
      ca,
      credentials,
      exited,
      log,
      call: (call) => callOrchestrator({ url, ca }, { token: credentials.api_token, ...call }),
      kill: async () => void (await end('SIGKILL')),
      async stop() {
        const code = await end('SIGTERM');
        if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
        return code;
      },
    };
  } catch (cause) {
    await end('SIGKILL');
    throw cause;
  }
}

/** What an operator's shell holds for client commands of this orchestrator. */
export const operatorEnv = ({ url, dataDir, credentials }: OrchestratorProcess) => ({
  VM_ORCHESTRATOR_URL: url,
  VM_ORCHESTRATOR_API_TOKEN: credentials.api_token,
  VM_ORCHESTRATOR_CA_FILE: join(dataDir, 'ca.crt'),
});

/** What a client command that must succeed says with `--json`. */
export async function operate(orchestrator: OrchestratorProcess, args: readonly string[]) {
  const { code, stdout, stderr } = await runOrchestratorCli([...args, '--json'], operatorEnv(orchestrator));
  if (code !== 0 || stderr !== '') throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

async function bootstrap(dataDir: string, env: Record<string, string> = {}): Promise<Bootstrap> {
  const done = await runOrchestratorCli(['bootstrap', '--data', dataDir], env);
  if (done.code !== 0) throw new Error(`bootstrap ended with ${done.code}: ${done.stderr}`);
  return JSON.parse(done.stdout) as Bootstrap;
}

/** The root, from the store itself: a test needs no trust on first use. */
function readCa(dataDir: string): string {
  const database = new DatabaseSync(join(dataDir, 'orchestrator.db'), { readOnly: true });
  try {
    const row = database.prepare("SELECT certificate FROM certificate_authorities WHERE kind = 'root'").get();
    return String(row?.['certificate']);
  } finally {
    database.close();
  }
}
