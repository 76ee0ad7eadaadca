import { parseSelector, selectorMatches } from '../../protocol/selector.ts';
import type { Queryable } from '../store/store.ts';
import type { LockRow } from './match.ts';
import { asSelectorTarget } from './read.ts';

/** The machines that these locks stand on, for the lists that show it. */
export async function lockedMachines(
  db: Queryable,
  organizationId: string,
  locks: readonly Pick<LockRow, 'target_type' | 'target'>[],
): Promise<string[]> {
  const single = locks.flatMap(({ target_type: type, target }) => (type === 'agent' ? [target] : []));
  const all = locks.some(({ target_type: type }) => type === 'organization');
  const selectors = locks.flatMap(({ target_type: type, target }) =>
    type === 'selector' ? [parseSelector(target)] : [],
  );
  if (!all && selectors.length === 0) return single;
  const rows = await db
    .selectFrom('agents')
    .select(['id', 'vm_id', 'labels', 'reported_labels'])
    .where('organization_id', '=', organizationId)
    .where('state', '!=', 'revoked')
    .execute();
  const matching = rows.filter((row) => {
    if (all) return true;
    const agent = asSelectorTarget(row);
    return selectors.some((selector) => selectorMatches(selector, agent));
  });
  return [...new Set([...single, ...matching.map(({ id }) => id)])];
}
