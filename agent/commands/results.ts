import { isoTime } from '../../base/clock.ts';
import type { CommandResult, Stream } from '../../protocol/command.ts';
import type { AppError } from '../../protocol/errors.ts';
import type { OutputSpool } from '../executor/output-spool.ts';
import type { Refusal } from '../policy/verify-envelope.ts';
import type { CallOutcome } from '../tools/call.ts';

/** The end of a command that was not taken. */
export const refusedResult = (refusal: Refusal, nowMs: number): CommandResult => ({
  state: refusal.state,
  ...(refusal.reason === undefined ? {} : { reason: refusal.reason }),
  ended_at: isoTime(nowMs),
  error: { code: refusal.code, message: refusal.message },
});

/** The end of a command that could not be written down, so that it was not begun either. */
export const unwrittenResult = ({ code, message, hint }: AppError, nowMs: number): CommandResult => ({
  state: 'failed',
  reason: 'not_started',
  ended_at: isoTime(nowMs),
  error: { code, message, ...(hint === undefined ? {} : { hint }) },
});

export const cancelledBeforeStart = (nowMs: number): CommandResult => ({
  state: 'cancelled',
  reason: 'not_started',
  ended_at: isoTime(nowMs),
});

/** The end of a command whose agent went away while it ran: how it ended, nobody saw. */
export const unknownResult = (options: {
  startedAtMs: number | undefined;
  rebooted: boolean;
  spool: OutputSpool;
  nowMs: number;
}): CommandResult => ({
  state: 'unknown',
  reason: options.rebooted ? 'host_rebooted' : 'agent_lost',
  ...(options.startedAtMs === undefined ? {} : { started_at: isoTime(options.startedAtMs) }),
  ended_at: isoTime(options.nowMs),
  ...summaries(options.spool),
});

export const endResult = (options: {
  outcome: CallOutcome;
  spool: OutputSpool;
  startedAtMs: number;
  durationMs: number;
  nowMs: number;
}): CommandResult => ({
  ...options.outcome,
  started_at: isoTime(options.startedAtMs),
  ended_at: isoTime(options.nowMs),
  duration_ms: Math.round(Math.max(0, options.durationMs) * 10) / 10,
  ...summaries(options.spool),
});

function summaries(spool: OutputSpool): Pick<CommandResult, 'stdout' | 'stderr'> {
  try {
    return { stdout: spool.summary('stdout'), stderr: spool.summary('stderr') };
  } catch {
    // A spool that cannot be read any more has nothing to promise either.
    return {};
  }
}

/**
 * A result that promises no more output than there is to send: the orchestrator waits for every byte that a result
 * names. What only head and tail still hold stays in them.
 */
export function withOutputSizes(
  result: CommandResult,
  available: Readonly<Record<Stream, number>>,
): CommandResult {
  const cut = { ...result };
  for (const stream of ['stdout', 'stderr'] as const) {
    const summary = result[stream];
    if (summary !== undefined && summary.size > available[stream])
      cut[stream] = { ...summary, size: available[stream] };
  }
  return cut;
}
