/**
 * How to write a tool: one file `agent/tools/<tool>.ts` that exports `<name>Tool(options): Tool<Input, Output>`, listed
 * once in `createRegistry`. Its `run` either
 * - returns a value, `{kind: 'value', structured, text?}`: `structured` fits `output`; `text` is a short form for a
 *   model to read (default: the JSON). On the channel the value is one JSON document on stdout; over MCP it is
 *   `structuredContent`; or
 * - streams bytes to `context.output` and returns how the program ended: the door makes {@link commandOutputSchema} of it.
 * What cannot be done is thrown as an AppError: a code that means 403 (`forbidden`, …) becomes `refused` by policy,
 * any other `failed`; over MCP both are `isError` with code and hint. Anything else that is thrown is a bug.
 * Who asks is `context.caller`; a tool that runs long reports `context.progress` and heeds `context.signal`.
 * Descriptions and schemas are read by models at a price: few words. Prefer optional fields to nullable ones.
 */
import type { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stream } from '../../protocol/command.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import type { FileAccess } from '../files/access.ts';

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

/** The way in which a call came. */
export type Door = 'channel' | 'mcp' | 'cli';

export interface Caller {
  door: Door;
  /** Tells callers apart: handles that one of them got are not another's. */
  id: string;
  /** The grant of the policy that holds for this caller. */
  grant: string;
}

/** A person at the VM's own command line, with that person's own rights. */
export const CLI_GRANT = 'cli';

/** How far a call is. `progress` grows from report to report. */
export interface ProgressReport {
  progress: number;
  total?: number;
  message: string;
}

export interface ToolContext {
  /** Names this call in the processes that it starts. */
  id: string;
  clock: Clock;
  log: Logger;
  /** Aborted with a {@link ToolStop}. A tool ends what it started and then returns. */
  signal: AbortSignal;
  output: OutputSink;
  caller: Caller;
  /** Where nobody listens it goes nowhere. */
  progress(report: ProgressReport): void;
  /** What the orchestrator signed, for who must check it again; undefined for calls that nobody signed. */
  signed?: SignedCommand | undefined;
  /** Files that the policy lets this caller use; whoever touches a file asks by it. */
  access: FileAccess;
}

/** What a door gives; the registry adds what the policy says. */
export type CallContext = Omit<ToolContext, 'access'>;

/** What a tool answers that does not run a program. */
export interface ToolValue {
  kind: 'value';
  /** An object that fits the tool's `output`; at most some hundred KiB as JSON. */
  structured: Record<string, unknown>;
  /** The same in short, for a model. */
  text?: string;
}

/** How a tool's work ended, when nothing outside stopped it. A command that exits non-zero is an end, not an error. */
/** `attestation`: the executor's signature on it, where the executor did it. */
export type ToolEnd = ToolEndKind & { attestation?: Envelope };

type ToolEndKind =
  | ToolValue
  | { kind: 'exited'; exitCode: number }
  | { kind: 'signalled'; signal: string }
  | { kind: 'not_started'; code: ErrorCode; message: string }
  /** The kernel ended it for its memory. */
  | ({ kind: 'oom' } & ProgramStatus)
  /** Something else than the context's signal stopped it. */
  | ({ kind: 'stopped'; cause: StopCause } & ProgramStatus)
  /** How it ended, nobody saw. */
  | { kind: 'lost'; reason: 'agent_lost' | 'host_rebooted' };

interface ProgramStatus {
  exitCode?: number | undefined;
  signal?: string | undefined;
}

export interface ToolAnnotations {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
  openWorldHint: boolean;
}

/** One thing that an agent can do. The channel, MCP and the command line call the same. */
export interface Tool<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> {
  name: string;
  /** The name in `/health`. */
  group: string;
  title: string;
  description: string;
  input: Input;
  /** An object schema: what `structured` fits, or {@link commandOutputSchema} for one that streams. */
  output: Output;
  annotations: ToolAnnotations;
  /** Switched off by the VM's owner: known, announced to nobody, and refused. */
  disabled?: boolean;
  /** Only the orchestrator may call it, by what it signs; nobody else is told of it. */
  signedOnly?: boolean;
  /** Its output is held back while too much of it waits for the orchestrator: somebody looks at it as it comes. */
  paced?: boolean;
  /** Seconds that it may take when the caller says nothing. */
  defaultTimeoutS: number;
  run(context: ToolContext, args: z.output<Input>): Promise<ToolEnd>;
}
