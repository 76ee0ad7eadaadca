import type { CommandState, Reason } from '../../protocol/command.ts';
import { isFinal } from '../../protocol/command.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import type { CommandId } from '../../protocol/ids.ts';
import type { NewRow } from '../store/tables.ts';
import type { Trail } from '../store/tables-jobs.ts';
import { stateEvent } from './record-change.ts';
import type { Target } from './targets.ts';

/** A command of a new job, and where it stands in it. */
export interface Placed {
  commandId: CommandId;
  target: Target;
  state: CommandState;
  reason: Reason | null;
  /** From 1; null without waves, or when it gets no turn. */
  wave: number | null;
  position: number;
  expiresAt: number;
  /** When it is signed already. */
  issued?: { seq: number; envelope: Envelope; delegation: Envelope };
}

/** The bytes of a file leave at once and are not kept; after a restart its upload goes on where it was. */
const keptEnvelope = (envelope: Envelope | undefined, leaves: boolean): string | null =>
  envelope === undefined ? null : leaves ? '' : JSON.stringify(envelope);

export function newCommandRow(
  { commandId, target, state, reason, wave, position, expiresAt, issued }: Placed,
  job: { organizationId: string; jobId: string; timeoutS: number; now: number; trail: Trail },
): NewRow<'commands'> {
  return {
    organization_id: job.organizationId,
    id: commandId,
    job_id: job.jobId,
    agent_id: target.agentId,
    vm_id: target.vmId,
    seq: issued?.seq ?? null,
    state,
    reason,
    cancel_requested: 0,
    envelope: keptEnvelope(issued?.envelope, state === 'sent' && job.trail === 'none'),
    delegation: issued === undefined ? null : JSON.stringify(issued.delegation),
    timeout_s: job.timeoutS,
    created_at: job.now,
    sent_at: state === 'sent' ? job.now : null,
    started_at: null,
    ended_at: isFinal(state) ? job.now : null,
    expires_at: expiresAt,
    result: null,
    stdout_size: 0,
    stderr_size: 0,
    result_late: 0,
    wave,
    position,
    trail: job.trail,
  };
}

/** The first events of a job: one for each state that its commands have had. */
export function submittedEvents(commands: readonly NewRow<'commands'>[], at: number): NewRow<'job_events'>[] {
  const events: NewRow<'job_events'>[] = [];
  for (const row of commands) {
    for (const state of row.state === 'sent' ? ['queued', 'sent'] : [row.state])
      events.push(stateEvent(row, { id: events.length + 1, at, state, reason: row.reason ?? null }));
  }
  return events;
}
