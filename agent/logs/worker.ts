import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../base/clock.ts';
import { AppError, type ErrorCode } from '../../protocol/errors.ts';
import type { Analysis, AnalysisOrder } from './analysis.ts';

/** What the thread says. */
export type WorkerMessage =
  | { kind: 'progress'; lines: number }
  | ({ kind: 'done' } & Analysis)
  | { kind: 'refused'; code: ErrorCode; message: string; hint: string | undefined }
  | { kind: 'failed'; cause: unknown }
  | { kind: 'stopped' };

/** In the checkout the source beside this file; in a bundle the program beside it. */
const PROGRAM = new URL(
  import.meta.url.endsWith('.ts') ? './worker-main.ts' : './vm-agent-log-worker.mjs',
  import.meta.url,
);
/** Of the heap of one thread: a log that needs more fails, and the agent does not. */
const HEAP_MB = 384;
/** What lines leave behind goes through here: a larger one costs memory and is no faster. */
const YOUNG_MB = 8;
/** A thread that was asked to stop and does not is ended. */
const STOP_MS = 1000;
const AT_ONCE = 2;

export interface AnalysisRun {
  order: AnalysisOrder;
  clock: Clock;
  signal: AbortSignal;
  onProgress(lines: number): void;
}

/** Runs analyses in threads of their own, two at a time; whoever comes later waits. */
export class LogAnalyzer {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @throws AppErrors of the analysis; the signal's reason once the thread has ended. */
  async run(run: AnalysisRun): Promise<Analysis> {
    await this.#turn(run.signal);
    try {
      return await inThread(run);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < AT_ONCE) {
      this.#running++;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', leave);
        this.#running++;
        resolve();
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      this.#waiting.push(go);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}

async function inThread({ order, clock, signal, onProgress }: AnalysisRun): Promise<Analysis> {
  const worker = new Worker(PROGRAM, {
    workerData: order,
    name: 'log-analysis',
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
  });
  let last: WorkerMessage | undefined;
  let broken: unknown;
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.on('error', (cause) => {
    broken = cause;
  });
  worker.on('message', (message: WorkerMessage) => {
    if (message.kind === 'progress') onProgress(message.lines);
    else last = message;
  });
  let overdue: Timer | undefined;
  const stop = () => {
    worker.postMessage('stop');
    overdue = clock.setTimer(STOP_MS, () => void worker.terminate());
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    await ended;
  } finally {
    signal.removeEventListener('abort', stop);
    overdue?.cancel();
  }
  if (signal.aborted) throw signal.reason;
  return outcomeOf(last, broken);
}

function outcomeOf(last: WorkerMessage | undefined, broken: unknown): Analysis {
  if (last?.kind === 'done') return { structured: last.structured, text: last.text };
  if (last?.kind === 'refused')
    throw new AppError(last.code, {
      detail: last.message,
      ...(last.hint === undefined ? {} : { hint: last.hint }),
    });
  if ((broken as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY')
    throw new AppError('unavailable', {
      detail: `The analysis needed more than ${HEAP_MB} MB of memory and was given up.`,
      hint: 'Ask for fewer lines.',
      cause: broken,
    });
  throw new Error('the analysis failed', { cause: last?.kind === 'failed' ? last.cause : broken });
}
