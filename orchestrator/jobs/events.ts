import { type Clock, isoTime } from '../../base/clock.ts';
import type { CommandResult, CommandState, Reason, Stream } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AgentId, CommandId, JobId, VmId } from '../../protocol/ids.ts';
import type { JobEvent } from '../../protocol/rest-jobs.ts';
import type { RolloutEvent } from '../../protocol/rest-rollout.ts';
import type { Bus } from '../hub/bus.ts';
import type { Store } from '../store/store.ts';
import { createHints } from './hints.ts';
import type { OutputStore } from './output-store.ts';

/** Rows in one query: a reader holds little, and others get their turn between two. */
const PAGE = 64;
/** Hints may be lost: the store is read again after this at the latest. */
const POLL_MS = 5000;

export interface NumberedEvent {
  id: number;
  event: JobEvent;
}

/** An event, or the sign that nothing happened for a while. */
export type Followed = NumberedEvent | 'quiet';

export interface JobEvents {
  /**
   * A job's events after `after`, then new ones as they come, until its end. Rows and output are read as fast as
   * the consumer takes them. @throws AppError `not_found`.
   */
  follow(options: {
    organizationId: string;
    jobId: JobId;
    after: number;
    signal: AbortSignal;
  }): Promise<AsyncGenerator<Followed, void, void>>;
}

export function createJobEvents(options: {
  store: Pick<Store, 'db'>;
  files: OutputStore;
  bus: Bus;
  clock: Clock;
}): JobEvents {
  const { store, files, bus, clock } = options;

  const selectPage = (organizationId: string, jobId: string, after: number) =>
    store.db
      .selectFrom('job_events as e')
      .leftJoin('commands as c', (join) =>
        join.onRef('c.organization_id', '=', 'e.organization_id').onRef('c.id', '=', 'e.command_id'),
      )
      .select([
        'e.id',
        'e.type',
        'e.at',
        'e.state',
        'e.reason',
        'e.stream',
        'e.offset',
        'e.length',
        'e.detail',
      ])
      .select(['e.command_id', 'c.agent_id', 'c.vm_id', 'c.result'])
      .where('e.organization_id', '=', organizationId)
      .where('e.job_id', '=', jobId)
      .where('e.id', '>', after)
      .orderBy('e.id')
      .limit(PAGE)
      .execute();
  type EventRow = Awaited<ReturnType<typeof selectPage>>[number];

  /** The result belongs to the event of its own state: an `unknown` before a late result has none. */
  function resultFor(row: EventRow) {
    if (row.result === null) return null;
    const { stdout: _stdout, stderr: _stderr, ...result } = JSON.parse(row.result) as CommandResult;
    return result.state === row.state ? result : null;
  }

  async function toEvent(organizationId: string, jobId: JobId, row: EventRow): Promise<JobEvent> {
    if (row.type === 'rollout') {
      const event = row.state as RolloutEvent;
      const { detail } = row;
      return { type: 'rollout', job_id: jobId, event, wave: row.offset ?? 0, at: isoTime(row.at), detail };
    }
    const common = {
      command_id: row.command_id as CommandId,
      agent_id: row.agent_id as AgentId,
      vm_id: row.vm_id as VmId,
      at: isoTime(row.at),
    };
    if (row.type === 'output') {
      const stream = row.stream as Stream;
      const offset = row.offset ?? 0;
      const key = { organizationId, commandId: common.command_id, stream };
      const data = await files.read(key, offset, row.length ?? 0);
      return { type: 'output', ...common, stream, offset, data: data.toString('base64') };
    }
    const state = row.state as CommandState;
    return { type: 'state', ...common, state, reason: row.reason as Reason | null, result: resultFor(row) };
  }

  type Options = Parameters<JobEvents['follow']>[0];
  async function* run({
    organizationId,
    jobId,
    after,
    signal,
  }: Options): AsyncGenerator<Followed, void, void> {
    const hints = createHints();
    const unsubscribe = bus.subscribeJob(organizationId, jobId, hints.ring);
    try {
      let last = after;
      while (!signal.aborted) {
        hints.clear();
        const page = await selectPage(organizationId, jobId, last);
        for (const [index, row] of page.entries()) {
          last = row.id;
          if (row.type !== 'end') yield { id: row.id, event: await toEvent(organizationId, jobId, row) };
          else if (index === page.length - 1 && page.length < PAGE) {
            // A late result comes after an end and brings another: the last one counts.
            yield { id: row.id, event: { type: 'end', job_id: jobId } };
            return;
          }
          if (signal.aborted) return;
        }
        if (page.length === PAGE) continue;
        if (page.length === 0 && (await hasEnded(organizationId, jobId, last))) {
          yield { id: last, event: { type: 'end', job_id: jobId } };
          return;
        }
        if (!(await hints.wait(clock, POLL_MS, signal))) yield 'quiet';
      }
    } finally {
      unsubscribe();
    }
  }

  /** Whether the reader stands behind the job's last event: it reconnected with the id of the end. */
  async function hasEnded(organizationId: string, jobId: string, last: number): Promise<boolean> {
    const row = await store.db
      .selectFrom('job_events')
      .select(['id', 'type'])
      .where('organization_id', '=', organizationId)
      .where('job_id', '=', jobId)
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.type === 'end' && row.id <= last;
  }

  return {
    async follow(options) {
      const { organizationId, jobId } = options;
      const job = await store.db
        .selectFrom('jobs')
        .select('id')
        .where('organization_id', '=', organizationId)
        .where('id', '=', jobId)
        .executeTakeFirst();
      if (job === undefined) throw new AppError('not_found', { detail: `There is no job ${jobId}.` });
      return run(options);
    },
  };
}
