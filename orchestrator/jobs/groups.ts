import { createHash } from 'node:crypto';
import { type CommandResult, type CommandState, isFinal } from '../../protocol/command.ts';
import type { AgentId, CommandId, JobId, VmId } from '../../protocol/ids.ts';
import type { OutputGroup, OutputGroups } from '../../protocol/rest-rollout.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Queryable, Store } from '../store/store.ts';
import { isOnline } from '../tenancy/agent-rows.ts';
import { COMPARED_BYTES, diffOutputs, normalizeOutput } from './group-text.ts';
import { inChunks } from './issue.ts';
import type { OutputStore } from './output-store.ts';
import { findJob } from './read.ts';

/** Groups that are told apart, machines named in each, and outputs read at the same time. */
const MOST_GROUPS = 50;
const MOST_NAMED = 200;
const AT_ONCE = 16;

export type ReadGroups = (organizationId: string, jobId: JobId) => Promise<OutputGroups>;

const selectResults = (db: Queryable, organizationId: string, jobId: string) =>
  db
    .selectFrom('commands as c')
    .innerJoin('agents as a', (join) =>
      join.onRef('a.organization_id', '=', 'c.organization_id').onRef('a.id', '=', 'c.agent_id'),
    )
    .leftJoin('command_digests as d', (join) =>
      join.onRef('d.organization_id', '=', 'c.organization_id').onRef('d.command_id', '=', 'c.id'),
    )
    .select(['c.id', 'c.agent_id', 'c.vm_id', 'c.state', 'c.reason', 'c.result', 'c.result_late'])
    .select([
      'c.stdout_size',
      'c.stderr_size',
      'a.hostname',
      'a.connected_at',
      'a.disconnected_at',
      'd.digest',
    ])
    .where('c.organization_id', '=', organizationId)
    .where('c.job_id', '=', jobId)
    .orderBy('c.position')
    .orderBy('c.id');
type ResultRow = Awaited<ReturnType<ReturnType<typeof selectResults>['execute']>>[number];

interface Texts {
  stdout: string;
  stderr: string;
  omitted: number;
}

interface Gathered {
  key: string;
  rows: ResultRow[];
}

/** It came to its end, so that what it printed can be compared. */
const hasRun = (state: string): boolean => state === 'succeeded' || state === 'failed';

/** `47 identical, 2 differ, 1 offline`. */
export function summaryOf(groups: readonly Pick<OutputGroup, 'state' | 'count' | 'online'>[]): string {
  const ran = groups.filter(({ state }) => hasRun(state));
  const [largest, ...others] = ran;
  const differ = others.reduce((sum, { count }) => sum + count, 0);
  const parts: [number, string][] = [
    [largest?.count ?? 0, largest?.count === 1 && differ === 0 ? 'ran' : 'identical'],
    [differ, differ === 1 ? 'differs' : 'differ'],
  ];
  for (const { state, count, online } of groups) {
    if (hasRun(state)) continue;
    const offline = state === 'queued' || state === 'scheduled' || state === 'expired' ? count - online : 0;
    parts.push([offline, 'offline'], [count - offline, state.replace('_', ' ')]);
  }
  const sums = new Map<string, number>();
  for (const [count, word] of parts) if (count > 0) sums.set(word, (sums.get(word) ?? 0) + count);
  return [...sums].map(([word, count]) => `${count} ${word}`).join(', ') || 'nothing yet';
}

/** Groups a job's results that are the same: state, exit code, and output as it is compared. */
export function createGroups(options: {
  store: Pick<Store, 'db'>;
  commits: GroupCommit;
  files: OutputStore;
}): ReadGroups {
  const { store, commits, files } = options;

  async function textOf(
    organizationId: string,
    row: ResultRow,
    stream: 'stdout' | 'stderr',
  ): Promise<{ text: string; omitted: number }> {
    const size = stream === 'stdout' ? row.stdout_size : row.stderr_size;
    if (size === 0) return { text: '', omitted: 0 };
    const key = { organizationId, commandId: row.id, stream };
    const names = { vmId: row.vm_id, hostname: row.hostname };
    if (size <= COMPARED_BYTES)
      return { text: normalizeOutput((await files.read(key, 0, size)).toString('utf8'), names), omitted: 0 };
    const half = COMPARED_BYTES / 2;
    const [head, tail] = await Promise.all([files.read(key, 0, half), files.read(key, size - half, half)]);
    const omitted = size - COMPARED_BYTES;
    const text = `${head.toString('utf8')}\n… ${omitted} bytes …\n${tail.toString('utf8')}`;
    return { text: normalizeOutput(text, names), omitted };
  }

  async function textsOf(organizationId: string, row: ResultRow): Promise<Texts> {
    const stdout = await textOf(organizationId, row, 'stdout');
    const stderr = await textOf(organizationId, row, 'stderr');
    return { stdout: stdout.text, stderr: stderr.text, omitted: stdout.omitted + stderr.omitted };
  }

  async function digestOf(organizationId: string, row: ResultRow): Promise<string> {
    const { stdout, stderr } = await textsOf(organizationId, row);
    return createHash('sha256').update(stdout).update('\0').update(stderr).digest('hex').slice(0, 32);
  }

  /** An ended command's output changes no more, except that a late result may come once: it counts in the key. */
  async function digests(organizationId: string, jobId: string, rows: readonly ResultRow[]): Promise<void> {
    const fresh: ResultRow[] = [];
    const todo = rows.filter((row) => row.digest === null && row.stdout_size + row.stderr_size > 0);
    for (let at = 0; at < todo.length; at += AT_ONCE) {
      await Promise.all(
        todo.slice(at, at + AT_ONCE).map(async (row) => {
          row.digest = await digestOf(organizationId, row);
          const state = row.state as CommandState;
          if (isFinal(state) && state !== 'unknown') fresh.push(row);
        }),
      );
    }
    if (fresh.length === 0) return;
    await commits.run((tx) =>
      inChunks(fresh, (chunk) =>
        tx
          .insertInto('command_digests')
          .values(
            chunk.map((row) => ({
              organization_id: organizationId,
              command_id: row.id,
              job_id: jobId,
              digest: row.digest ?? '',
            })),
          )
          .onConflict((e) => e.doNothing())
          .execute(),
      ),
    );
  }

  const resultOf = (row: ResultRow): CommandResult | null =>
    row.result === null ? null : (JSON.parse(row.result) as CommandResult);

  function gather(rows: readonly ResultRow[]): Gathered[] {
    const groups = new Map<string, Gathered>();
    for (const row of rows) {
      const result = resultOf(row);
      const parts = [
        row.state,
        row.reason,
        result?.exit_code,
        result?.signal,
        result?.error?.code,
        row.digest,
      ];
      const text = parts.map((part) => part ?? '').join('\0');
      const key = createHash('sha256').update(text).digest('hex').slice(0, 16);
      const group = groups.get(key) ?? { key, rows: [] };
      group.rows.push(row);
      groups.set(key, group);
    }
    const ran = ({ rows: [row] }: Gathered) => row !== undefined && hasRun(row.state);
    return [...groups.values()].sort(
      (a, b) => Number(ran(b)) - Number(ran(a)) || b.rows.length - a.rows.length || (a.key < b.key ? -1 : 1),
    );
  }

  async function toGroup(
    organizationId: string,
    { key, rows }: Gathered,
    base: (Texts & { vmId: string }) | undefined,
  ): Promise<OutputGroup & { texts: Texts & { vmId: string } }> {
    const [first] = rows;
    if (first === undefined) throw new Error('a group has no command');
    const texts = { ...(await textsOf(organizationId, first)), vmId: first.vm_id };
    const whole = (of: Texts) =>
      of.stderr === '' ? of.stdout : `${of.stdout}\n--- stderr ---\n${of.stderr}`;
    const diff =
      base === undefined || (whole(texts) === '' && (whole(base) === '' || !hasRun(first.state)))
        ? null
        : diffOutputs(whole(base), whole(texts), { from: base.vmId, to: texts.vmId });
    return {
      key,
      state: first.state as CommandState,
      exit_code: resultOf(first)?.exit_code ?? null,
      reason: first.reason,
      count: rows.length,
      online: rows.filter(isOnline).length,
      targets: rows.slice(0, MOST_NAMED).map((row) => ({
        command_id: row.id as CommandId,
        agent_id: row.agent_id as AgentId,
        vm_id: row.vm_id as VmId,
      })),
      stdout: texts.stdout,
      stderr: texts.stderr,
      omitted_bytes: texts.omitted,
      diff,
      texts,
    };
  }

  return async (organizationId, jobId) => {
    await findJob(store.db, organizationId, jobId);
    const rows = await selectResults(store.db, organizationId, jobId).execute();
    await digests(organizationId, jobId, rows);
    const gathered = gather(rows);
    const groups: OutputGroup[] = [];
    let base: (Texts & { vmId: string }) | undefined;
    for (const each of gathered.slice(0, MOST_GROUPS)) {
      const { texts, ...group } = await toGroup(organizationId, each, base);
      base ??= texts;
      groups.push(group);
    }
    const all = gathered.map(({ rows: members }) => ({
      state: (members[0]?.state ?? 'queued') as CommandState,
      count: members.length,
      online: members.filter(isOnline).length,
    }));
    return { job_id: jobId, total: rows.length, summary: summaryOf(all), groups };
  };
}
