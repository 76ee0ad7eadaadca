import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import {
  type Actor,
  type CommandResult,
  type CommandState,
  FAILED_STATES,
  type Reason,
} from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AgentId, CommandId, JobId, ScheduleId, VmId } from '../../protocol/ids.ts';
import type { AgentCommand } from '../../protocol/rest-calls.ts';
import type {
  Command,
  Job,
  JobWithCommands,
  jobListQuerySchema,
  Origin,
  Script,
} from '../../protocol/rest-jobs.ts';
import type { RolloutState } from '../../protocol/rest-rollout.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';
import { UPGRADE_TOOL } from '../../protocol/upgrade.ts';
import type { Queryable } from '../store/store.ts';
import type { Row, Tables } from '../store/tables.ts';
import { isOnline } from '../tenancy/agent-rows.ts';
import { type StateCount, toRollout, unhealthyOf } from './rollout/read.ts';
import { type ExplainedJob, whyOf } from './why.ts';

type Counts = Job['counts'];
const at = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

/** Of jobs that were made before there were kinds, too. */
const kindOf = ({ kind, tool }: Row<'jobs'>): Job['kind'] =>
  (kind as Job['kind'] | null) ??
  (tool === SHELL_TOOL ? 'command' : tool === UPGRADE_TOOL ? 'upgrade' : 'tool');

function argumentsOf(row: Row<'jobs'>, whole: boolean): Record<string, unknown> {
  const { stdin, ...others } = JSON.parse(row.arguments) as Record<string, unknown>;
  return whole ? { ...others, ...(stdin === undefined ? {} : { stdin }) } : others;
}

/** What a job does, in short: what a script reads is left out. */
export const jobHead = (row: Row<'jobs'>) => ({
  id: row.id as JobId,
  tool: row.tool,
  arguments: argumentsOf(row, false),
  description: row.description,
  kind: kindOf(row),
  script: row.script === null ? null : (JSON.parse(row.script) as Pick<Script, 'interpreter' | 'args'>),
});

function toJob(
  row: Row<'jobs'>,
  counts: readonly StateCount[],
  rollout: Row<'rollouts'> | undefined,
  whole: boolean,
): Job {
  const sums: Counts = {};
  for (const { state, n } of counts) sums[state] = (sums[state] ?? 0) + n;
  return {
    ...jobHead(row),
    ...(whole ? { arguments: argumentsOf(row, true) } : {}),
    selector: row.selector,
    timeout: row.timeout_s,
    created_at: isoTime(row.created_at),
    created_by: JSON.parse(row.created_by) as Actor,
    state: row.open_commands === 0 ? 'ended' : 'active',
    counts: sums,
    rollout: rollout === undefined ? null : toRollout(rollout, counts),
    retry_of: row.retry_of as JobId | null,
    check_of: row.check_of as JobId | null,
    schedule_id: row.schedule_id as ScheduleId | null,
    due_at: at(row.due_at),
  };
}

const READ_COLUMNS = [
  'id',
  'job_id',
  'agent_id',
  'vm_id',
  'seq',
  'wave',
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
  db
    .selectFrom('commands')
    .innerJoin('agents', (join) =>
      join
        .onRef('agents.organization_id', '=', 'commands.organization_id')
        .onRef('agents.id', '=', 'commands.agent_id'),
    )
    .select(READ_COLUMNS.map((name) => `commands.${name}` as const))
    .select(['agents.connected_at', 'agents.disconnected_at'])
    .where('commands.organization_id', '=', organizationId);
type ReadRow = Awaited<ReturnType<ReturnType<typeof selectCommandRows>['executeTakeFirstOrThrow']>>;

function resultOf(row: ReadRow, withOutput: boolean): CommandResult | null {
  if (row.result === null) return null;
  const result = JSON.parse(row.result) as CommandResult;
  if (withOutput) return result;
  const { stdout: _stdout, stderr: _stderr, ...rest } = result;
  return rest;
}

function toCommand(row: ReadRow, job: ExplainedJob | null, withOutput: boolean): Command {
  const state = row.state as CommandState;
  const reason = row.reason as Reason | null;
  const result = resultOf(row, withOutput);
  return {
    id: row.id as CommandId,
    job_id: row.job_id as JobId,
    agent_id: row.agent_id as AgentId,
    vm_id: row.vm_id as VmId,
    seq: row.seq ?? 0,
    wave: row.wave,
    state,
    reason,
    cancel_requested: row.cancel_requested === 1,
    created_at: isoTime(row.created_at),
    started_at: at(row.started_at),
    ended_at: at(row.ended_at),
    expires_at: isoTime(row.expires_at),
    why: whyOf({ state, reason, result, wave: row.wave, online: isOnline(row), vmId: row.vm_id }, job),
    result,
    output: { stdout: row.stdout_size, stderr: row.stderr_size },
  };
}

async function countsOf(
  db: Queryable,
  organizationId: string,
  jobIds: readonly string[],
): Promise<Map<string, StateCount[]>> {
  const counts = new Map<string, StateCount[]>(jobIds.map((id) => [id, []]));
  if (jobIds.length === 0) return counts;
  const rows = await db
    .selectFrom('commands')
    .select((e) => ['job_id', 'wave', 'state', e.fn.countAll<number>().as('n')])
    .where('organization_id', '=', organizationId)
    .where('job_id', 'in', jobIds)
    .groupBy(['job_id', 'wave', 'state'])
    .execute();
  for (const { job_id, wave, state, n } of rows)
    counts.get(job_id)?.push({ wave, state: state as CommandState, n: Number(n) });
  return counts;
}

async function rolloutsOf(
  db: Queryable,
  organizationId: string,
  jobIds: readonly string[],
): Promise<Map<string, Row<'rollouts'>>> {
  if (jobIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('job_id', 'in', jobIds)
    .execute();
  return new Map(rows.map((row) => [row.job_id, row]));
}

/** In a LIKE pattern its own signs mean themselves. */
const contains = (column: Expression<string>, text: string) =>
  sql<SqlBool>`lower(${column}) like ${`%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`} escape '\\'`;

const rolloutsIn = (e: ExpressionBuilder<Tables, 'jobs'>, state: RolloutState) =>
  e
    .selectFrom('rollouts')
    .select('rollouts.job_id')
    .whereRef('rollouts.organization_id', '=', 'jobs.organization_id')
    .whereRef('rollouts.job_id', '=', 'jobs.id')
    .where('rollouts.state', '=', state);

export interface JobFilter extends Omit<z.output<typeof jobListQuerySchema>, 'cursor' | 'limit' | 'checks'> {
  organizationId: string;
  limit: number;
  cursor: string | undefined;
  checks?: boolean;
  nowMs: number;
}

function filtered(db: Queryable, filter: JobFilter) {
  const { organizationId, state, text, who, since, until } = filter;
  let query = db.selectFrom('jobs').selectAll('jobs').where('jobs.organization_id', '=', organizationId);
  query = query.where('origin', '=', filter.origin ?? 'job');
  if (filter.checks !== true) query = query.where('check_of', 'is', null);
  if (filter.cursor !== undefined) query = query.where('jobs.id', '<', filter.cursor);
  if (filter.schedule !== undefined) query = query.where('schedule_id', '=', filter.schedule);
  // What is still to come is no news; its schedule lists it.
  else query = query.where((eb) => eb.or([eb('due_at', 'is', null), eb('due_at', '<=', filter.nowMs)]));
  if (since !== undefined) query = query.where('created_at', '>=', Date.parse(since));
  if (until !== undefined) query = query.where('created_at', '<', Date.parse(until));
  if (state === 'active') query = query.where('open_commands', '>', 0);
  if (state === 'ended') query = query.where('open_commands', '=', 0);
  const column = (name: string) => sql<string>`${sql.ref(`jobs.${name}`)}`;
  if (text !== undefined)
    query = query.where((e) =>
      e.or(['arguments', 'description', 'selector', 'id'].map((name) => contains(column(name), text))),
    );
  if (who !== undefined)
    query = query.where((e) =>
      e.or(['name', 'id'].map((key) => contains(column('created_by'), `"${key}":${JSON.stringify(who)}`))),
    );
  if (state === 'failed')
    query = query.where((e) =>
      e.or([
        e.exists(
          e
            .selectFrom('commands')
            .select('commands.id')
            .whereRef('commands.organization_id', '=', 'jobs.organization_id')
            .whereRef('commands.job_id', '=', 'jobs.id')
            .where('commands.state', 'in', FAILED_STATES),
        ),
        e.exists(rolloutsIn(e, 'stopped')),
      ]),
    );
  if (state === 'paused') query = query.where((e) => e.exists(rolloutsIn(e, 'paused')));
  return query;
}

/** Newest first; the cursor is the last identifier of the page before. */
export async function listJobs(
  db: Queryable,
  filter: JobFilter,
): Promise<{ items: Job[]; next_cursor: string | null }> {
  const { organizationId, limit } = filter;
  const rows = await filtered(db, filter)
    .orderBy('jobs.id', 'desc')
    .limit(limit + 1)
    .execute();
  const page = rows.slice(0, limit);
  const ids = page.map((row) => row.id);
  const counts = await countsOf(db, organizationId, ids);
  const rollouts = await rolloutsOf(db, organizationId, ids);
  return {
    items: page.map((row) => toJob(row, counts.get(row.id) ?? [], rollouts.get(row.id), false)),
    next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

/** @throws AppError `not_found`. */
export async function findJob(db: Queryable, organizationId: string, jobId: string): Promise<Row<'jobs'>> {
  const row = await db
    .selectFrom('jobs')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('id', '=', jobId)
    .executeTakeFirst();
  if (row === undefined) throw new AppError('not_found', { detail: `There is no job ${jobId}.` });
  return row;
}

const explained = (rollout: Row<'rollouts'> | undefined): ExplainedJob | null =>
  rollout === undefined
    ? null
    : {
        wave: rollout.wave,
        paused: rollout.state === 'paused',
        stopDetail: rollout.stop_detail,
        unhealthy: unhealthyOf(rollout),
      };

/** The commands in the order of their turns. @throws AppError `not_found`. */
export async function readJob(
  db: Queryable,
  organizationId: string,
  jobId: string,
  options: { output: boolean } = { output: true },
): Promise<JobWithCommands> {
  const row = await findJob(db, organizationId, jobId);
  const rollout = (await rolloutsOf(db, organizationId, [jobId])).get(jobId);
  const rows = await selectCommandRows(db, organizationId)
    .where('job_id', '=', jobId)
    .orderBy('position')
    .orderBy('commands.id')
    .execute();
  const counts = (await countsOf(db, organizationId, [jobId])).get(jobId) ?? [];
  const commands = rows.map((each) => toCommand(each, explained(rollout), options.output));
  return { ...toJob(row, counts, rollout, true), commands };
}

/** @throws AppError `not_found`. */
export async function readCommand(
  db: Queryable,
  organizationId: string,
  commandId: string,
): Promise<Command> {
  const row = await selectCommandRows(db, organizationId)
    .where('commands.id', '=', commandId)
    .executeTakeFirst();
  if (row === undefined) throw new AppError('not_found', { detail: `There is no command ${commandId}.` });
  const rollout = (await rolloutsOf(db, organizationId, [row.job_id])).get(row.job_id);
  return toCommand(row, explained(rollout), true);
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
  let query = selectCommandRows(db, organizationId)
    .innerJoin('jobs as j', (join) =>
      join.onRef('j.organization_id', '=', 'commands.organization_id').onRef('j.id', '=', 'commands.job_id'),
    )
    .select(['j.tool', 'j.arguments', 'j.description', 'j.created_by', 'j.origin'])
    .where('commands.agent_id', '=', agentId)
    // What waits for its turn has no number yet, and pieces of transfers are no history; the transfers are.
    .where('commands.seq', 'is not', null)
    .where('commands.trail', '!=', 'none')
    .orderBy('commands.seq', 'desc')
    .limit(limit + 1);
  if (before !== undefined) query = query.where('commands.seq', '<', before);
  if (origin !== undefined) query = query.where('j.origin', '=', origin);
  if (open) query = query.where('commands.ended_at', 'is', null);
  const rows = await query.execute();
  const page = rows.slice(0, limit);
  return {
    items: page.map((row) => ({
      ...toCommand(row, null, true),
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
