// The orchestrator as an operator runs it: the packed program, on the host's end of a machine's cable.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent, CreateTokenResponse } from '../../../protocol/rest-fleet.ts';
import type { Command as JobCommand, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { ROOT } from '../../../scripts/lib/root.ts';
import { killGroup, type Outcome, runProgram, startProgram } from '../harness/command.ts';

const PROGRAM = join(ROOT, 'bin/vm-orchestrator');

export interface ServeOptions {
  /** Where it listens: the host's end of a machine's cable. */
  readonly address: string;
  readonly port?: number;
  /** Under which machines reach it, where that is another address than the one it listens on. */
  readonly publicUrl?: string;
  /** Words put before the program, e.g. `faketime +1d`. */
  readonly prefix?: readonly string[];
  /** What is started instead of the checkout's program. */
  readonly program?: readonly string[];
  /** Data of an earlier run, to start it again. */
  readonly data?: string;
}

/** Open from `serve` to `dispose`; `stop` and `kill` leave the data, so that `start` goes on with it. */
export class HostOrchestrator {
  readonly url: string;
  readonly data: string;
  readonly #options: ServeOptions;
  #child: ChildProcess | undefined;
  #env: Record<string, string> = {};
  stderr = '';

  constructor(options: ServeOptions, data: string) {
    this.#options = options;
    this.data = data;
    this.url = `https://${options.address}:${options.port ?? 8443}`;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const listen = `${this.#options.address}:${this.#options.port ?? 8443}`;
    const words = [...(this.#options.prefix ?? []), ...(this.#options.program ?? [PROGRAM])];
    const child = startProgram([
      ...words,
      'serve',
      '--data',
      this.data,
      '--listen',
      listen,
      '--public-url',
      this.#options.publicUrl ?? this.url,
    ]);
    this.#child = child;
    child.stderr?.on('data', (chunk) => {
      this.stderr += String(chunk);
    });
    if (child.stdout === null) throw new Error('the orchestrator has no stdout');
    const lines = createInterface({ input: child.stdout });
    const first = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => undefined)]);
    if (first === undefined) throw new Error(`the orchestrator did not start:\n${this.stderr}`);
    if (JSON.parse(String(first[0])).event !== 'listening') throw new Error(`unexpected line: ${first[0]}`);
  }

  async bootstrap(): Promise<void> {
    const { code, out, err } = await runProgram([PROGRAM, 'bootstrap', '--data', this.data]);
    if (code !== 0) throw new Error(`bootstrap failed: ${err}`);
    const caFile = join(this.data, 'client-ca.pem');
    const { stdout } = await runProgram(['curl', '-fsSk', `${this.url}/api/v1/ca-certificate`]);
    await writeFile(caFile, stdout);
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      HOME: this.data,
      VM_ORCHESTRATOR_URL: this.url,
      VM_ORCHESTRATOR_API_TOKEN: JSON.parse(out).api_token,
      VM_ORCHESTRATOR_CA_FILE: caFile,
    };
  }

  /** For a connection of another kind. */
  get access(): { url: string; ca: string; token: string } {
    const { VM_ORCHESTRATOR_CA_FILE: file = '', VM_ORCHESTRATOR_API_TOKEN: token = '' } = this.#env;
    return { url: this.url, ca: readFileSync(file, 'utf8'), token };
  }

  /** A subcommand that speaks REST. Any exit status is an answer. */
  cli(words: readonly string[], timeoutMs = 60_000): Promise<Outcome> {
    return runProgram([...(this.#options.prefix ?? []), PROGRAM, ...words], { env: this.#env, timeoutMs });
  }

  startCli(words: readonly string[]): ChildProcess {
    return startProgram([PROGRAM, ...words], this.#env);
  }

  async createToken(...words: string[]): Promise<CreateTokenResponse> {
    const { code, out, err } = await this.cli(['token', 'create', '--json', ...words]);
    if (code !== 0) throw new Error(`token create: ${err}`);
    return JSON.parse(out);
  }

  async agents(): Promise<Agent[]> {
    const { code, out, err } = await this.cli(['agents', '--json']);
    if (code !== 0) throw new Error(`agents: ${err}`);
    const parsed = JSON.parse(out);
    return Array.isArray(parsed) ? parsed : parsed.items;
  }

  /** A call of the REST API below the organization; any other status than 2xx rejects. */
  async api<T = { id: string }>(method: string, path: string, body?: unknown): Promise<T> {
    const { out } = await runProgram(
      [
        'curl',
        '-sS',
        '--fail-with-body',
        '--cacert',
        this.#env['VM_ORCHESTRATOR_CA_FILE'] ?? '',
        '-X',
        method,
        '-H',
        `Authorization: Bearer ${this.#env['VM_ORCHESTRATOR_API_TOKEN']}`,
        '-H',
        'content-type: application/json',
        ...(body === undefined ? [] : ['--data-binary', '@-']),
        `${this.url}/api/v1/organizations/default/${path}`,
      ],
      body === undefined ? {} : { input: JSON.stringify(body) },
    );
    const answer = JSON.parse(out);
    if (answer.code !== undefined && answer.status !== undefined)
      throw new Error(`${method} ${path}: ${out}`);
    return answer;
  }

  /** What anybody gets at a path. */
  async raw(path: string): Promise<Buffer> {
    return (
      await runProgram([
        'curl',
        '-fsS',
        '--cacert',
        this.#env['VM_ORCHESTRATOR_CA_FILE'] ?? '',
        `${this.url}${path}`,
      ])
    ).stdout;
  }

  /** The one command of a job, when it has ended. */
  async ended(jobId: string, timeoutMs = 60_000): Promise<JobCommand> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const job = await this.api<JobWithCommands>('GET', `jobs/${jobId}`);
      const [command] = job.commands;
      if (command !== undefined && command.ended_at !== null) return command;
      if (performance.now() > deadline) throw new Error(`${jobId} has not ended: ${JSON.stringify(job)}`);
      await sleep(100);
    }
  }

  get apiToken(): string {
    return this.#env['VM_ORCHESTRATOR_API_TOKEN'] ?? '';
  }

  get caPem(): string {
    return readFileSync(join(this.data, 'client-ca.pem'), 'utf8');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    if (signal === 'SIGKILL') killGroup(child);
    else child.kill(signal);
    await exited;
  }

  stop = (): Promise<void> => this.#end('SIGTERM');
  kill = (): Promise<void> => this.#end('SIGKILL');

  async dispose(): Promise<void> {
    await this.#end('SIGKILL');
    await rm(this.data, { recursive: true, force: true });
  }
}

export async function serve(options: ServeOptions): Promise<HostOrchestrator> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'vmo-host-')));
  const orchestrator = new HostOrchestrator(options, data);
  try {
    await orchestrator.start();
    await orchestrator.bootstrap();
    return orchestrator;
  } catch (error) {
    await orchestrator.dispose();
    throw error;
  }
}
