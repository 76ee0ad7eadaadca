import { type CommandState, isFinal } from '../../protocol/command.ts';
import type { CommandId } from '../../protocol/ids.ts';
import { type AuditActor, type AuditEntry, recordAll } from '../audit/audit.ts';
import type { Queryable, Tx } from '../store/store.ts';
import type { NewRow, Row, Tables } from '../store/tables.ts';
import type { Attested } from './attestation.ts';
import { type Change, type CommandEvent, decide } from './progress.ts';

/** The columns that a change needs; the envelope is large and stays where it is. */
const COLUMNS = [
  'organization_id',
  'id',
  'job_id',
  'agent_id',
  'vm_id',
  'state',
  'created_at',
  'sent_at',
  'started_at',
  'ended_at',
  'expires_at',
  'timeout_s',
  'cancel_requested',
  'result_late',
  'stdout_size',
  'stderr_size',
  'wave',
  'trail',
] as const satisfies readonly (keyof Tables['commands'])[];
export type CommandRow = Pick<Row<'commands'>, (typeof COLUMNS)[number]>;

export const selectCommands = (db: Queryable, organizationId: string) =>
  db.selectFrom('commands').select(COLUMNS).where('organization_id', '=', organizationId);

export const stateOf = (row: { state: string }): CommandState => row.state as CommandState;

/** Reserves numbers for `count` events of a job and returns the first. */
export async function takeEventIds(
  tx: Tx,
  job: { organizationId: string; jobId: string },
  count: number,
  ended = 0,
): Promise<{ first: number; openCommands: number }> {
  const row = await tx
    .updateTable('jobs')
    .set((e) => ({
      next_event: e('next_event', '+', count),
      open_commands: e('open_commands', '-', ended),
    }))
    .where('organization_id', '=', job.organizationId)
    .where('id', '=', job.jobId)
    .returning(['next_event', 'open_commands'])
    .executeTakeFirstOrThrow();
  return { first: row.next_event - count, openCommands: row.open_commands };
}

export interface ChangeContext {
  now: number;
  actor: AuditActor;
  address?: string | null;
  /** Whether the executor of the VM signed the result; only then it is more than the daemon's word. */
  attested?: Attested;
}

interface Step {
  from: string;
  change: Change;
}

/** The row after a change; its times are the orchestrator's own, since deadlines follow from them. */
function after(row: CommandRow, change: Change, now: number): CommandRow {
  const started = change.state === 'running' || change.result?.started_at !== undefined;
  return {
    ...row,
    state: change.state,
    started_at: row.started_at ?? (started ? now : null),
    ended_at: isFinal(change.state) ? now : null,
    result_late: change.late ? 1 : row.result_late,
  };
}

function auditOf(row: CommandRow, { from, change }: Step, context: ChangeContext): AuditEntry {
  return {
    at: context.now,
    organizationId: row.organization_id,
    action: change.late ? 'command.result_late' : 'command.state',
    actor: context.actor,
    address: context.address ?? null,
    target: row.id,
    detail: {
      job_id: row.job_id,
      agent_id: row.agent_id,
      from,
      to: change.state,
      ...(change.reason === null ? {} : { reason: change.reason }),
      ...(change.result?.exit_code === undefined ? {} : { exit_code: change.result.exit_code }),
      ...(isFinal(change.state) && context.attested !== undefined && context.attested !== 'none'
        ? { attested: context.attested }
        : {}),
    },
  };
}

const isAudited = ({ trail }: CommandRow, { state }: Change): boolean =>
  trail === 'full' || (trail === 'ends' && isFinal(state));

/**
 * Applies events to a command, in order, in the caller's transaction: the command, its job's events, and the audit
 * log change together. Returns the row as it is now, or undefined when nothing changed.
 */
export async function recordChanges(
  tx: Tx,
  row: CommandRow,
  events: readonly CommandEvent[],
  context: ChangeContext,
): Promise<CommandRow | undefined> {
  const { now } = context;
  const steps: Step[] = [];
  let next = row;
  for (const event of events) {
    const change = decide({ state: stateOf(next), result_late: next.result_late === 1 }, event);
    if (change === undefined) continue;
    steps.push({ from: next.state, change });
    next = after(next, change, now);
  }
  const last = steps.at(-1)?.change;
  if (last === undefined) return undefined;
  await tx
    .updateTable('commands')
    .set({
      state: next.state,
      reason: last.reason,
      started_at: next.started_at,
      ended_at: next.ended_at,
      result_late: next.result_late,
      ...(steps.some(({ change }) => change.state === 'sent') ? { sent_at: now } : {}),
      ...(last.result === null ? {} : { result: JSON.stringify(last.result) }),
      // Bytes of a file, which went to where they belong.
      ...(row.trail === 'none' && next.ended_at !== null ? { envelope: '' } : {}),
    })
    .where('organization_id', '=', row.organization_id)
    .where('id', '=', row.id)
    .execute();

  const job = { organizationId: row.organization_id, jobId: row.job_id };
  const ended = row.ended_at === null && next.ended_at !== null ? 1 : 0;
  const { first, openCommands } = await takeEventIds(tx, job, steps.length + 1, ended);
  const rows = steps.map(({ change }, index) =>
    stateEvent(row, { id: first + index, at: now, state: change.state, reason: change.reason }),
  );
  // A late result comes after the job's end; readers take the last `end` for the end.
  if (next.ended_at !== null && openCommands === 0) rows.push(endEvent(job, first + steps.length, now));
  await tx.insertInto('job_events').values(rows).execute();
  await recordAll(
    tx,
    steps.filter(({ change }) => isAudited(row, change)).map((step) => auditOf(row, step, context)),
  );
  return next;
}

export const recordChange = (
  tx: Tx,
  row: CommandRow,
  event: CommandEvent,
  context: ChangeContext,
): Promise<CommandRow | undefined> => recordChanges(tx, row, [event], context);

export const stateEvent = (
  command: { organization_id: string; job_id: string; id: string },
  event: { id: number; at: number; state: string; reason: string | null },
): NewRow<'job_events'> => ({
  organization_id: command.organization_id,
  job_id: command.job_id,
  id: event.id,
  command_id: command.id,
  type: 'state',
  at: event.at,
  state: event.state,
  reason: event.reason,
  stream: null,
  offset: null,
  length: null,
  detail: null,
});

export const endEvent = (
  job: { organizationId: string; jobId: string },
  id: number,
  at: number,
): NewRow<'job_events'> => ({
  organization_id: job.organizationId,
  job_id: job.jobId,
  id,
  command_id: null,
  type: 'end',
  at,
  state: null,
  reason: null,
  stream: null,
  offset: null,
  length: null,
  detail: null,
});

/** Rows come from the store, where only checked identifiers were written. */
export const commandIdOf = (row: { id: string }): CommandId => row.id as CommandId;
