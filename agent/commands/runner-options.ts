import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { CommandPayload, CommandResult, Stream } from '../../protocol/command.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { OutputSender } from '../executor/output-sender.ts';
import type { OutputSpool } from '../executor/output-spool.ts';
import type { EnvelopeVerifier } from '../policy/verify-envelope.ts';
import type { RunningCall } from '../tools/call.ts';
import type { ToolRegistry } from '../tools/registry.ts';
import type { CallContext, ToolEnd } from '../tools/tool.ts';
import type { Journal } from './journal.ts';

/** Where the runner's words go. Without a session they go nowhere, and are said again after the next `welcome`. */
export interface CommandPort {
  state(commandId: string, state: 'accepted' | 'running', at: string): void;
  result(commandId: string, result: CommandResult): void;
  error(code: ErrorCode, message: string, ref: string | undefined): void;
}

export interface RunnerOptions {
  clock: Clock;
  log: Logger;
  journal: Journal;
  registry: ToolRegistry;
  verifier: EnvelopeVerifier;
  sender: OutputSender;
  port: CommandPort;
  spoolFolder: string;
  bootId: string;
  /** Commands run as this user and others are refused; undefined: the executor decides. */
  user: string | undefined;
  /** As `IntakeOptions`. Where there is an executor, that decides itself as well. */
  missingApproval(payload: CommandPayload): string | undefined;
  /** What keeps commands over a restart of the daemon; undefined: they end with it. */
  executor?: CommandKeeper | undefined;
  onJournal(ok: boolean, detail: string): void;
  maxParallel?: number;
}

/** The privileged executor, as the runner sees it. */
export interface CommandKeeper {
  /** Follows a command that was started before. `offsets`: output that is on this side's disk. */
  attach(
    context: CallContext,
    offsets: Record<Stream, number>,
  ): Promise<{ end: ToolEnd; endedAtMs: number | undefined }>;
  /** Its output and result are on this side's disk. */
  forget(commandId: string): void;
}

/** A command that runs. */
export interface Running {
  call: RunningCall;
  done: Promise<void>;
  spool: OutputSpool;
  /** It ends with the daemon, whoever runs it. */
  bound: boolean;
}
