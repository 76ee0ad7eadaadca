import type { CommandPayload, CommandResult } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import type { CommandMessage } from '../../protocol/messages.ts';
import type { EnvelopeVerifier, Refusal } from '../policy/verify-envelope.ts';
import type { PreparedCall, ToolRegistry } from '../tools/registry.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { cancelledBeforeStart, refusedResult } from './results.ts';

/** What is to be done about a command that came. */
export type Decision =
  /** Answer by an error: it cannot be said which command this is about, or that one is here and is not touched. */
  | { kind: 'complain'; refusal: Refusal; ref: string | undefined }
  /** Answer by a result and remember nothing: it is not genuine, or a replay. */
  | { kind: 'turn_away'; commandId: string; refusal: Refusal }
  /** The journal holds it: answer by what it says. */
  | { kind: 'known'; entry: JournalEntry }
  /** Genuine, and at its end before it began: journal it so, that it can never start later. */
  | { kind: 'end'; payload: CommandPayload; result: CommandResult }
  | { kind: 'run'; payload: CommandPayload; call: PreparedCall };

export interface IntakeOptions {
  verifier: EnvelopeVerifier;
  journal: Pick<Journal, 'get' | 'mark' | 'hasCancel'>;
  registry: ToolRegistry;
  /** Commands run as this user alone; undefined: the executor decides. */
  user: string | undefined;
  /** Why it lacks approvers' own signatures that the policy wants; undefined: it lacks none. */
  missingApproval(payload: CommandPayload): string | undefined;
}

export function decide(
  message: CommandMessage,
  options: IntakeOptions,
  nowMs: number,
  skewMs: number | undefined,
): Decision {
  const { verifier, journal } = options;
  const verified = verifier.verify(message, nowMs, skewMs);
  if (verified.kind === 'rejected') {
    const { claimedId, refusal } = verified;
    // A forgery that names a command which is here must not end it.
    return claimedId === undefined || journal.get(claimedId) !== undefined
      ? { kind: 'complain', refusal, ref: claimedId }
      : { kind: 'turn_away', commandId: claimedId, refusal };
  }
  const { payload } = verified;
  const entry = journal.get(payload.command_id);
  if (entry !== undefined) return { kind: 'known', entry };
  const { mark } = journal;
  if (payload.epoch < mark.epoch || (payload.epoch === mark.epoch && payload.seq <= mark.seq)) {
    const message = `This agent took command ${mark.seq} before; number ${payload.seq} is a replay.`;
    const refusal: Refusal = { state: 'refused', code: 'command_replayed', message };
    return { kind: 'turn_away', commandId: payload.command_id, refusal };
  }
  if (verified.kind === 'refused')
    return { kind: 'end', payload, result: refusedResult(verified.refusal, nowMs) };
  if (journal.hasCancel(payload.command_id))
    return { kind: 'end', payload, result: cancelledBeforeStart(nowMs) };
  const prepared = prepare(payload, options);
  return prepared.kind === 'ok'
    ? { kind: 'run', payload, call: prepared.call }
    : { kind: 'end', payload, result: refusedResult(prepared.refusal, nowMs) };
}

/** Whether this agent can run it: as whom, with which tool and arguments. Asked again before a late start. */
export function prepare(
  payload: CommandPayload,
  options: Pick<IntakeOptions, 'registry' | 'user' | 'missingApproval'>,
): { kind: 'ok'; call: PreparedCall } | { kind: 'refused'; refusal: Refusal } {
  const { user, registry } = options;
  if (user !== undefined && payload.run_as !== null && payload.run_as !== user) {
    const message = `This agent runs commands as ${user} only, not as ${payload.run_as}.`;
    return {
      kind: 'refused',
      refusal: { state: 'refused', reason: 'unsupported', code: 'unsupported', message },
    };
  }
  const missing = options.missingApproval(payload);
  if (missing !== undefined)
    return {
      kind: 'refused',
      refusal: { state: 'refused', reason: 'policy', code: 'approval_required', message: missing },
    };
  try {
    return { kind: 'ok', call: registry.prepare(payload.tool, payload.arguments) };
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    const { code, message } = cause;
    const reason = code === 'tool_disabled' ? 'policy' : 'unsupported';
    return { kind: 'refused', refusal: { state: 'refused', reason, code, message } };
  }
}

/** The part that was signed. */
export const signedOf = ({ envelope, delegation }: CommandMessage): SignedCommand => ({
  envelope,
  delegation,
});
