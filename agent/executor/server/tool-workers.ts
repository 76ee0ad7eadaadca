import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock, Timer } from '../../../base/clock.ts';
import { COMMAND_SLICE, TOOLS_UNIT_PREFIX } from '../../../protocol/disk-layout.ts';
import { AppError, isErrorCode } from '../../../protocol/errors.ts';
import type { ExecutorEnd } from '../../../protocol/executor.ts';
import { FrameReader, writeJsonFrame } from '../frames.ts';
import type { ExecutorPlaces } from './places.ts';
import type { RunProgram } from './unit.ts';

const IDLE_MS = 5 * 60_000;

export interface ToolCall {
  id: string;
  tool: string;
  args: Record<string, unknown>;
  access: { read: readonly string[]; write: readonly string[] };
}

interface WorkerAnswer {
  id?: string;
  value?: { structured: Record<string, unknown>; text?: string };
  thrown?: { code: string; message: string; hint?: string };
}

/**
 * Tools that run no program (files, logs, processes, metrics) run in a process of their user, which stays for some
 * minutes: starting one costs more than most calls do. It is a unit of its own and ends with the executor.
 */
export class ToolWorkers {
  readonly #options: ToolWorkersOptions;
  readonly #workers = new Map<string, Promise<Worker>>();
  #count = 0;

  constructor(options: ToolWorkersOptions) {
    this.#options = options;
  }

  async call(runAs: string, call: ToolCall, signal: AbortSignal): Promise<ExecutorEnd> {
    const present = this.#workers.get(runAs);
    const starting = present ?? this.#start(runAs);
    if (present === undefined) {
      this.#workers.set(runAs, starting);
      starting.catch(() => this.#workers.delete(runAs));
    }
    const worker = await starting;
    return worker.call(call, signal);
  }

  close(): void {
    for (const worker of this.#workers.values())
      worker.then(
        (w) => w.end(),
        () => undefined,
      );
  }

  async #start(runAs: string): Promise<Worker> {
    const { places, run, clock, program, owner } = this.#options;
    const name = `${TOOLS_UNIT_PREFIX}${process.pid}-${++this.#count}`;
    const [into, out] = [join(places.run, `${name}.in`), join(places.run, `${name}.out`)];
    await run('mkfifo', ['-m', '600', into, out]);
    const input = openSync(into, constants.O_RDWR | constants.O_NONBLOCK);
    const output = openSync(out, constants.O_RDONLY | constants.O_NONBLOCK);
    // Until the worker has the write end, this one keeps the reader from seeing an end.
    const holder = openSync(out, constants.O_WRONLY | constants.O_NONBLOCK);
    const worker = new Worker({
      input,
      output,
      clock,
      onGone: () => this.#workers.delete(runAs),
    });
    const { code, stderr } = await run('systemd-run', [
      '--quiet',
      '--collect',
      '--no-ask-password',
      `--unit=${name}.service`,
      '--description=tools of vm-agent',
      ...[
        'Type=exec',
        `User=${runAs}`,
        `Slice=${COMMAND_SLICE}`,
        `StandardInput=file:${into}`,
        `StandardOutput=file:${out}`,
        'StandardError=journal',
        'SyslogIdentifier=vm-agent-tools',
        'TimeoutStopSec=2s',
        `BindsTo=${owner}`,
        `After=${owner}`,
      ].map((property) => `--property=${property}`),
      ...program,
    ]);
    closeSync(holder);
    for (const path of [into, out]) rmSync(path, { force: true });
    if (code !== 0) {
      worker.end();
      throw new AppError('unavailable', {
        detail: `The process for tools of ${runAs} could not be started: ${stderr.trim()}`,
      });
    }
    worker.configure(this.#options.configuration());
    return worker;
  }
}

export interface ToolWorkersOptions {
  places: ExecutorPlaces;
  run: RunProgram;
  clock: Clock;
  /** What starts a worker: absolute path and arguments. */
  program: readonly string[];
  /** Unit of this executor. */
  owner: string;
  /** The worker's first message. */
  configuration(): unknown;
}

class Worker {
  readonly #input: Socket;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, (end: ExecutorEnd) => void>();
  #idle: Timer | undefined;
  #ended = false;

  constructor(options: { input: number; output: number; clock: Clock; onGone: () => void }) {
    this.#clock = options.clock;
    this.#input = new Socket({ fd: options.input, readable: false, writable: true });
    this.#input.on('error', () => undefined);
    const reader = new FrameReader();
    const output = new Socket({ fd: options.output, readable: true, writable: false });
    output.on('error', () => undefined);
    output.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk))
          if (frame.kind === 'json') this.#answer(frame.value as WorkerAnswer);
      } catch {
        output.destroy();
      }
    });
    output.on('close', () => {
      this.end();
      options.onGone();
      for (const settle of this.#waiting.values())
        settle({ kind: 'thrown', code: 'internal', message: 'The process that ran the tool ended.' });
      this.#waiting.clear();
    });
  }

  configure(configuration: unknown): void {
    writeJsonFrame(this.#input, { configure: configuration });
    this.#rest();
  }

  call(call: ToolCall, signal: AbortSignal): Promise<ExecutorEnd> {
    if (this.#ended)
      return Promise.resolve({
        kind: 'thrown',
        code: 'unavailable',
        message: 'The tools’ process has ended.',
      });
    this.#idle?.cancel();
    return new Promise((resolve) => {
      const cancel = () => writeJsonFrame(this.#input, { cancel: call.id });
      this.#waiting.set(call.id, (end) => {
        signal.removeEventListener('abort', cancel);
        resolve(end);
      });
      writeJsonFrame(this.#input, { call });
      if (signal.aborted) cancel();
      else signal.addEventListener('abort', cancel, { once: true });
    });
  }

  end(): void {
    this.#ended = true;
    this.#idle?.cancel();
    this.#input.destroy();
  }

  #answer({ id, value, thrown }: WorkerAnswer): void {
    const settle = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || settle === undefined) return;
    this.#waiting.delete(id);
    if (value !== undefined) settle({ kind: 'value', ...value });
    else
      settle({
        kind: 'thrown',
        code: isErrorCode(thrown?.code) ? thrown.code : 'internal',
        message: thrown?.message ?? 'The tool failed.',
        ...(thrown?.hint === undefined ? {} : { hint: thrown.hint }),
      });
    if (this.#waiting.size === 0) this.#rest();
  }

  #rest(): void {
    this.#idle = this.#clock.setTimer(IDLE_MS, () => this.end(), { background: true });
  }
}
