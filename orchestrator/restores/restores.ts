import { timeOfId } from '../../protocol/ids.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

export type RestoreRow = Row<'restores'>;

/** Clocks of the orchestrator that was lost and of the one that came after it may differ by this. */
const CLOCK_TOLERANCE_MS = 10 * 60_000;

/** The newest first. */
export const restoresOf = (db: Queryable, organizationId: string): Promise<RestoreRow[]> =>
  db
    .selectFrom('restores')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .execute();

export async function latestRestore(db: Queryable, organizationId: string): Promise<RestoreRow | undefined> {
  const [latest] = await restoresOf(db, organizationId);
  return latest;
}

/** The restore that explains why something of this time is not known here. Pure. */
export const restoreThatLost = (restores: readonly RestoreRow[], at: number): RestoreRow | undefined =>
  restores.find(
    (restore) =>
      at >= Number(restore.backup_at) - CLOCK_TOLERANCE_MS && at <= Number(restore.at) + CLOCK_TOLERANCE_MS,
  );

/** Whether a command that no row knows was given between a backup and the restore of it. */
export async function restoreOfCommand(
  db: Queryable,
  organizationId: string,
  commandId: string,
): Promise<RestoreRow | undefined> {
  return restoreThatLost(await restoresOf(db, organizationId), timeOfId(commandId));
}
