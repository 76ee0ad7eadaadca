import { isoTime } from '../../base/clock.ts';
import type { Overview } from '../../protocol/rest-overview.ts';
import { jobHead } from '../jobs/read.ts';
import type { Queryable } from '../store/store.ts';

const MAX_ROLLOUTS = 20;

/** What waits for somebody's decision. */
export async function pendingApprovals(
  db: Queryable,
  organizationId: string,
  now: number,
): Promise<NonNullable<Overview['approvals']>> {
  const { count } = await db
    .selectFrom('approvals')
    .select((eb) => eb.fn.countAll().as('count'))
    .where('organization_id', '=', organizationId)
    .where('state', '=', 'pending')
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow();
  return { pending: Number(count) };
}

/** Rollouts that go on only when somebody does something: paused ones, and those that stopped since. */
export async function uneasyRollouts(
  db: Queryable,
  organizationId: string,
  since: number,
): Promise<Overview['rollouts']> {
  const rows = await db
    .selectFrom('jobs as j')
    .innerJoin('rollouts as r', (join) =>
      join.onRef('r.organization_id', '=', 'j.organization_id').onRef('r.job_id', '=', 'j.id'),
    )
    .selectAll('j')
    .select(['r.state', 'r.wave', 'r.waves', 'r.stop_detail', 'r.ended_at'])
    .where('r.organization_id', '=', organizationId)
    .where((e) =>
      e.or([
        e.and([e('r.state', '=', 'paused'), e('r.ended_at', 'is', null)]),
        e.and([e('r.state', '=', 'stopped'), e('r.ended_at', '>', since)]),
      ]),
    )
    .orderBy('j.id', 'desc')
    .limit(MAX_ROLLOUTS)
    .execute();
  return rows.map((row) => ({
    job: jobHead(row),
    state: row.state === 'paused' ? 'paused' : 'stopped',
    wave: row.wave,
    waves: (JSON.parse(row.waves) as unknown[]).length,
    detail: row.stop_detail,
    ended_at: row.ended_at === null ? null : isoTime(Number(row.ended_at)),
  }));
}
