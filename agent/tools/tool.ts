import type { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stream } from '../../protocol/command.ts';
import type { ErrorCode } from '../../protocol/errors.ts';

/** Why a tool is asked to stop; the `reason` of {@link ToolContext.signal}. */
export type StopCause = 'timeout' | 'cancelled' | 'output_limit' | 'output_failed' | 'agent_stopping';

export class ToolStop extends Error {
  override readonly name = 'ToolStop';
  readonly stop: StopCause;
  constructor(stop: StopCause, cause?: unknown) {
    super(`the command was stopped: ${stop}`, cause === undefined ? {} : { cause });
    this.stop = stop;
  }
}

/** Bytes of a stream, valid only during the call. A promise holds the tool back until it is settled. */
export type OutputSink = (stream: Stream, bytes: Buffer) => void | Promise<void>;

export interface ToolContext {
  /** Names this call in the processes that it starts. */
  id: string;
  clock: Clock;
  log: Logger;
  /** Aborted with a {@link ToolStop}. A tool ends what it started and then returns. */
  signal: AbortSignal;
  output: OutputSink;
}

/** How a tool's work ended, when nothing outside stopped it. A command that exits non-zero is an end, not an error. */
export type ToolEnd =
  | { kind: 'exited'; exitCode: number }
  | { kind: 'signalled'; signal: string }
  | { kind: 'not_started'; code: ErrorCode; message: string };

export interface ToolAnnotations {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
  openWorldHint: boolean;
}

/** One thing that an agent can do. The channel and the command line call the same. */
export interface Tool<Input extends z.ZodType = z.ZodType> {
  name: string;
  /** The name in `/health`. */
  group: string;
  title: string;
  description: string;
  input: Input;
  annotations: ToolAnnotations;
  /** Switched off by the VM's owner: known, announced to nobody, and refused. */
  disabled?: boolean;
  /** Seconds that it may take when the caller says nothing. */
  defaultTimeoutS: number;
  run(context: ToolContext, args: z.output<Input>): Promise<ToolEnd>;
}
