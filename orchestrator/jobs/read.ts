import { isoTime } from '../../base/clock.ts';
import type { Actor, CommandResult, CommandState, Reason } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AgentId, CommandId, JobId, VmId } from '../../protocol/ids.ts';
import type { AgentCommand, Origin } from '../../protocol/rest-calls.ts';
import type { Command, Job, JobWithCommands } from '../../protocol/rest-jobs.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

type Counts = Job['counts'];
const at = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

function toJob(row: Row<'jobs'>, counts: Counts): Job {
  return {
    id: row.id as JobId,
    selector: row.selector,
    tool: row.tool,
    arguments: JSON.parse(row.arguments) as Record<string, unknown>,
    description: row.description,
    timeout: row.timeout_s,
    created_at: isoTime(row.created_at),
    created_by: JSON.parse(row.created_by) as Actor,
    state: row.open_commands === 0 ? 'ended' : 'active',
    counts,
  };
}

const READ_COLUMNS = [
  'id',
  'job_id',
  'agent_id',
  'vm_id',
  'seq',
  'state',
  'reason',
  'cancel_requested',
  'created_at',
  'started_at',
  'ended_at',
  'expires_at',
  'result',
  'stdout_size',
  'stderr_size',
] as const;

const selectCommandRows = (db: Queryable, organizationId: string) =>
  db.selectFrom('commands').select(READ_COLUMNS).where('organization_id', '=', organizationId);
type ReadRow = Awaited<ReturnType<ReturnType<typeof selectCommandRows>['executeTakeFirstOrThrow']>>;

function toCommand(row: ReadRow): Command {
  return {
    id: row.id as CommandId,
    job_id: row.job_id as JobId,
    agent_id: row.agent_id as AgentId,
    vm_id: row.vm_id as VmId,
    seq: row.seq,
    state: row.state as CommandState,
    reason: row.reason as Reason | null,
    cancel_requested: row.cancel_requested === 1,
    created_at: isoTime(row.created_at),
    started_at: at(row.started_at),
    ended_at: at(row.ended_at),
    expires_at: isoTime(row.expires_at),
    result: row.result === null ? null : (JSON.parse(row.result) as CommandResult),
    output: { stdout: row.stdout_size, stderr: row.stderr_size },
  };
}

async function countsOf(
  db: Queryable,
  organizationId: string,
  jobIds: readonly string[],
): Promise<Map<string, Counts>> {
  const counts = new Map<string, Counts>(jobIds.map((id) => [id, {}]));
  if (jobIds.length === 0) return counts;
  const rows = await db
    .selectFrom('commands')
    .select((e) => ['job_id', 'state', e.fn.countAll<number>().as('n')])
    .where('organization_id', '=', organizationId)
    .where('job_id', 'in', jobIds)
    .groupBy(['job_id', 'state'])
    .execute();
  for (const row of rows) {
    const of = counts.get(row.job_id);
    if (of) of[row.state as CommandState] = Number(row.n);
  }
  return counts;
}

/** Newest first; the cursor is the last identifier of the page before. */
export async function listJobs(
  db: Queryable,
  options: { organizationId: string; limit: number; cursor: string | undefined; origin?: Origin | undefined },
): Promise<{ items: Job[]; next_cursor: string | null }> {
  const { organizationId, limit, cursor } = options;
  let query = db
    .selectFrom('jobs')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('origin', '=', options.origin ?? 'job')
    .orderBy('id', 'desc')
    .limit(limit + 1);
  if (cursor !== undefined) query = query.where('id', '<', cursor);
  const rows = await query.execute();
  const page = rows.slice(0, limit);
  const counts = await countsOf(
    db,
    organizationId,
    page.map((row) => row.id),
  );
  return {
    items: page.map((row) => toJob(row, counts.get(row.id) ?? {})),
    next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

/** @throws AppError `not_found`. */
export async function readJob(
  db: Queryable,
  organizationId: string,
  jobId: string,
): Promise<JobWithCommands> {
  const row = await db
    .selectFrom('jobs')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('id', '=', jobId)
    .executeTakeFirst();
  if (row === undefined) throw new AppError('not_found', { detail: `There is no job ${jobId}.` });
  const commands = (
    await selectCommandRows(db, organizationId).where('job_id', '=', jobId).orderBy('id').execute()
  ).map(toCommand);
  const counts: Counts = {};
  for (const { state } of commands) counts[state] = (counts[state] ?? 0) + 1;
  return { ...toJob(row, counts), commands };
}

/** @throws AppError `not_found`. */
export async function readCommand(
  db: Queryable,
  organizationId: string,
  commandId: string,
): Promise<Command> {
  const row = await selectCommandRows(db, organizationId).where('id', '=', commandId).executeTakeFirst();
  if (row === undefined) throw new AppError('not_found', { detail: `There is no command ${commandId}.` });
  return toCommand(row);
}

/** What an agent was given, newest first; the cursor is the last seq of the page before. */
export async function listAgentCommands(
  db: Queryable,
  options: {
    organizationId: string;
    agentId: string;
    limit: number;
    before: number | undefined;
    origin: Origin | undefined;
    /** Only those that have not ended. */
    open: boolean;
  },
): Promise<{ items: AgentCommand[]; nextBefore: number | null }> {
  const { organizationId, agentId, limit, before, origin, open } = options;
  let query = db
    .selectFrom('commands as c')
    .innerJoin('jobs as j', (join) =>
      join.onRef('j.organization_id', '=', 'c.organization_id').onRef('j.id', '=', 'c.job_id'),
    )
    .select(READ_COLUMNS.map((name) => `c.${name}` as const))
    .select(['j.tool', 'j.arguments', 'j.description', 'j.created_by', 'j.origin'])
    .where('c.organization_id', '=', organizationId)
    .where('c.agent_id', '=', agentId)
    // Pieces of transfers are no history; the transfers are.
    .where('c.trail', '!=', 'none')
    .orderBy('c.seq', 'desc')
    .limit(limit + 1);
  if (before !== undefined) query = query.where('c.seq', '<', before);
  if (origin !== undefined) query = query.where('j.origin', '=', origin);
  if (open) query = query.where('c.ended_at', 'is', null);
  const rows = await query.execute();
  const page = rows.slice(0, limit);
  return {
    items: page.map((row) => ({
      ...toCommand(row),
      tool: row.tool,
      origin: row.origin,
      description: row.description,
      created_by: JSON.parse(row.created_by) as Actor,
      summary: summaryOf(JSON.parse(row.arguments) as Record<string, unknown>),
    })),
    nextBefore: rows.length > limit ? (page.at(-1)?.seq ?? null) : null,
  };
}

const SUMMARY_LENGTH = 200;

/** The command of a shell, or what the arguments of another tool say. */
function summaryOf(args: Record<string, unknown>): string {
  const text =
    typeof args['command'] === 'string'
      ? args['command']
      : Object.entries(args)
          .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
          .join(' ');
  return text.length > SUMMARY_LENGTH ? `${text.slice(0, SUMMARY_LENGTH)}…` : text;
}
