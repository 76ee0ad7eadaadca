import { isoTime } from '../../base/clock.ts';
import { lockIdSchema } from '../../protocol/ids.ts';
import type { MachineLock } from '../../protocol/rest-overview.ts';
import { type LockRow, lockOn } from '../locks/match.ts';
import { activeLocks, asSelectorTarget } from '../locks/read.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

type AgentRow = Pick<Row<'agents'>, 'id' | 'vm_id' | 'labels' | 'reported_labels'>;

const shown = (lock: LockRow): MachineLock => ({
  id: lockIdSchema.parse(lock.id),
  target_type: lock.target_type,
  reason: lock.reason,
  expires_at: lock.expires_at === null ? null : isoTime(Number(lock.expires_at)),
});

/** The lock that a machine is under, asked for many machines: the locks are read once. */
export async function machineLocks(
  db: Queryable,
  organizationId: string,
  now: number,
): Promise<(row: AgentRow) => MachineLock | null> {
  const locks = await activeLocks(db, organizationId, now);
  if (locks.length === 0) return () => null;
  return (row) => {
    const lock = lockOn(locks, { agent: asSelectorTarget(row) });
    return lock === undefined ? null : shown(lock);
  };
}
