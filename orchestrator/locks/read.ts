import type { SelectorTarget } from '../../protocol/selector.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import type { LockRow } from './match.ts';

/** The locks of an organization that stand now. */
export const selectActive = (db: Queryable, organizationId: string, now: number) =>
  db
    .selectFrom('locks')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where((e) => e.or([e('expires_at', 'is', null), e('expires_at', '>', now)]))
    .orderBy('id');
export const activeLocks = (db: Queryable, organizationId: string, now: number): Promise<LockRow[]> =>
  selectActive(db, organizationId, now).execute();

/** An agent as selectors see it. */
export const asSelectorTarget = (
  row: Pick<Row<'agents'>, 'id' | 'vm_id' | 'labels' | 'reported_labels'>,
): SelectorTarget => ({
  agent_id: row.id,
  vm_id: row.vm_id,
  labels: JSON.parse(row.labels) as Record<string, string>,
  reported_labels: JSON.parse(row.reported_labels) as Record<string, string>,
});

/** These agents as selectors see them, by their identifier. */
export async function selectorTargets(
  db: Queryable,
  organizationId: string,
  agentIds: readonly string[],
): Promise<Map<string, SelectorTarget>> {
  const found = new Map<string, SelectorTarget>();
  for (let at = 0; at < agentIds.length; at += 500) {
    const rows = await db
      .selectFrom('agents')
      .select(['id', 'vm_id', 'labels', 'reported_labels'])
      .where('organization_id', '=', organizationId)
      .where('id', 'in', agentIds.slice(at, at + 500))
      .execute();
    for (const row of rows) found.set(row.id, asSelectorTarget(row));
  }
  return found;
}
