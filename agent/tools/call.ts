import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { CommandResult } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import type { PreparedCall } from './registry.ts';
import {
  type Caller,
  type OutputSink,
  type ProgressReport,
  type StopCause,
  type ToolEnd,
  ToolStop,
  type ToolValue,
} from './tool.ts';

/** The part of a result that says how it ended; times and output are the caller's. */
export type CallOutcome = Pick<
  CommandResult,
  'state' | 'reason' | 'exit_code' | 'signal' | 'error' | 'attestation'
>;

export interface RunningCall {
  outcome: Promise<CallOutcome>;
  /** Asks it to end. The first cause counts. */
  stop(cause: StopCause, detail?: unknown): void;
  /** Nobody here waits for its end any more, and nothing is done about it. */
  abandon(): void;
}

/** Runs a prepared call under its time limit; what stopped it decides what its end is called. Never rejects. */
export function startCall(options: {
  id: string;
  call: Omit<PreparedCall, 'tool'>;
  /** Seconds that the caller allows; the call's own limit holds as well. */
  timeoutS?: number;
  clock: Clock;
  log: Logger;
  output: OutputSink;
  caller: Caller;
  signed?: SignedCommand | undefined;
  progress?: (report: ProgressReport) => void;
  /** Takes a value that a tool answers; without it the value goes to stdout as one JSON document. */
  onValue?: (value: ToolValue) => void;
}): RunningCall {
  const { id, call, clock, log, output, caller } = options;
  const progress = options.progress ?? (() => undefined);
  const onValue =
    options.onValue ?? (({ structured }) => output('stdout', Buffer.from(`${JSON.stringify(structured)}\n`)));
  const abort = new AbortController();
  const stop = (cause: StopCause, detail?: unknown) => abort.abort(new ToolStop(cause, detail));
  const timeoutS = Math.min(options.timeoutS ?? call.timeoutS, call.timeoutS);
  const timer = clock.setTimer(timeoutS * 1000, () => stop('timeout'));
  const outcome = call
    .run({ id, clock, log, signal: abort.signal, output, caller, progress, signed: options.signed })
    .then(async (end) => {
      if (end.kind === 'value' && !abort.signal.aborted) await onValue(end);
      return end;
    })
    .catch((cause: unknown): ToolEnd | Thrown => {
      // A tool that waits with its signal throws the signal's reason: it was stopped, as if it had returned.
      if (cause instanceof ToolStop) return { kind: 'value', structured: {} };
      if (cause instanceof AppError) return { kind: 'thrown', error: cause };
      log.error({ err: cause, id }, 'a tool failed');
      const detail = 'The tool failed; the agent’s log says why.';
      return { kind: 'thrown', error: new AppError('internal', { detail, cause }) };
    })
    .then((end) => {
      timer.cancel();
      const cause: unknown = abort.signal.reason;
      const settled =
        cause instanceof ToolStop && end.kind !== 'thrown' && !FINAL.has(end.kind)
          ? stoppedOutcome(cause, end, timeoutS)
          : naturalOutcome(end);
      return end.kind === 'thrown' || end.attestation === undefined
        ? settled
        : { ...settled, attestation: end.attestation };
    })
    .then((settled) => {
      call.ended?.(caller.door, settled.state);
      return settled;
    });
  return { outcome, stop, abandon: () => timer.cancel() };
}

/** Ends that are what they are, whatever was asked meanwhile. */
const FINAL: ReadonlySet<string> = new Set(['not_started', 'oom', 'lost']);

/** A tool's end that it threw. */
interface Thrown {
  kind: 'thrown';
  error: AppError;
}

function naturalOutcome(end: ToolEnd | Thrown): CallOutcome {
  switch (end.kind) {
    case 'value':
      return { state: 'succeeded' };
    case 'thrown':
      return thrownOutcome(end.error);
    case 'exited':
      return { state: end.exitCode === 0 ? 'succeeded' : 'failed', reason: 'exit', exit_code: end.exitCode };
    case 'signalled':
      return { state: 'failed', reason: 'signal', signal: end.signal };
    case 'not_started':
      return {
        state: 'failed',
        reason: 'not_started',
        error: { code: end.code, message: end.message },
      };
    case 'oom':
      return {
        state: 'failed',
        reason: 'oom',
        ...statusOf(end),
        error: {
          code: 'unavailable',
          message: 'The kernel ended it: it used more memory than it may, or than there is.',
        },
      };
    case 'lost':
      return { state: 'unknown', reason: end.reason };
    case 'stopped':
      return stoppedOutcome(new ToolStop(end.cause), end, undefined);
  }
}

const statusOf = ({ exitCode, signal }: { exitCode?: number | undefined; signal?: string | undefined }) => ({
  ...(exitCode === undefined ? {} : { exit_code: exitCode }),
  ...(signal === undefined ? {} : { signal }),
});

/** What the caller may not do is refused; what went wrong has failed. */
const thrownOutcome = ({ code, status, message, hint }: AppError): CallOutcome => ({
  ...(status === 403 ? { state: 'refused', reason: 'policy' } : { state: 'failed' }),
  error: { code, message, ...(hint === undefined ? {} : { hint }) },
});

function stoppedOutcome(stop: ToolStop, end: ToolEnd, timeoutS: number | undefined): CallOutcome {
  const how =
    end.kind === 'exited'
      ? { exit_code: end.exitCode }
      : end.kind === 'signalled'
        ? { signal: end.signal }
        : end.kind === 'stopped' || end.kind === 'oom'
          ? statusOf(end)
          : {};
  switch (stop.stop) {
    case 'timeout':
      return {
        state: 'timed_out',
        ...how,
        error: {
          code: 'unavailable',
          message: `It was ended after its time limit${timeoutS === undefined ? '' : ` of ${timeoutS} s`}.`,
        },
      };
    case 'cancelled':
      return { state: 'cancelled', ...how };
    case 'output_limit':
      return {
        state: 'failed',
        reason: 'output_limit',
        ...how,
        error: {
          code: 'payload_too_large',
          message:
            'It was ended because its output passed the limit (its own, or a tenth of the free disk space).',
        },
      };
    case 'output_failed': {
      const { code, message } = (stop.cause ?? {}) as NodeJS.ErrnoException;
      const full = code === 'ENOSPC' || code === 'EDQUOT';
      return {
        state: 'failed',
        reason: 'output_limit',
        ...how,
        error: {
          code: full ? 'disk_full' : 'internal',
          message: full
            ? 'It was ended because the disk that holds its output is full. Free some space on the VM.'
            : `It was ended because its output could not be stored: ${message ?? 'unknown error'}.`,
        },
      };
    }
    case 'agent_stopping':
      return {
        state: 'failed',
        reason: 'agent_lost',
        ...how,
        error: { code: 'unavailable', message: 'It was ended because the agent was stopped.' },
      };
  }
}
