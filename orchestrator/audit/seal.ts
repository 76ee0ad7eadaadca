import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { OWN_LOG } from '../../protocol/audit-log.ts';
import { sameBytes } from '../../protocol/merkle.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Tx } from '../store/store.ts';
import { newestNote, openNote } from './checkpoints.ts';
import { eventLeaf, eventOfRow, selectEvents } from './events.ts';
import { createLogKey, findLogKey, type LogKey } from './keys.ts';
import { appendLeaves, rangeAt } from './tiles.ts';

/** Events that one transaction seals: it holds the store for some ten milliseconds. */
const BATCH = 250;

export interface SealOptions {
  sealer: Sealer;
  trustDomain: string;
}

export interface Head {
  size: number;
  root: Uint8Array;
  retained: number;
  note: string;
}

/** Someone changed what was sealed: nothing more is signed on top of it. */
export class BrokenLog extends Error {
  override readonly name = 'BrokenLog';
}

/** The head of a log as its newest checkpoint says it. @throws BrokenLog when that is not signed by the log's key. */
export async function headOf(db: Queryable, log: string, key: LogKey): Promise<Head | undefined> {
  const newest = await newestNote(db, log);
  if (newest === undefined) return undefined;
  const checkpoint = openNote(newest, key);
  if (checkpoint === undefined)
    throw new BrokenLog(`the newest checkpoint of the audit log ${log} is not signed by its key`);
  return { ...checkpoint, note: newest.note };
}

/** The logs that have events which are not sealed. */
export async function unsealedLogs(db: Queryable): Promise<string[]> {
  const rows = await db
    .selectFrom('audit_events')
    .select('organization_id')
    .distinct()
    .where('seq', 'is', null)
    .execute();
  return rows.map((row) => row.organization_id ?? OWN_LOG);
}

/**
 * Seals what waits in a log, at most a batch, in the caller's transaction: positions, leaves, checkpoint. `retained`
 * says that events up to there were dropped in the same transaction. Undefined: there was nothing to say.
 * @throws BrokenLog
 */
export async function seal(
  tx: Tx,
  log: string,
  options: SealOptions & { now: number; retained?: number },
): Promise<{ head: Head; more: boolean } | undefined> {
  const { now } = options;
  const rows = await selectEvents(tx, log).where('seq', 'is', null).orderBy('id').limit(BATCH).execute();
  const last = rows.at(-1);
  if (last === undefined) return undefined;
  const key = (await findLogKey(tx, options.sealer, log)) ?? (await createLogKey(tx, { ...options, log }));
  const before = await headOf(tx, log, key);
  const size = before?.size ?? 0;
  const range = await rangeAt(tx, log, size);
  if (before !== undefined && !sameBytes(range.root(), before.root))
    throw new BrokenLog(`the hashes of the audit log ${log} are not those that its newest checkpoint signed`);
  // Events from before the log was sealed have no salts yet.
  for (const row of rows.filter(({ salts }) => salts === null)) {
    row.salts = randomBytes(16).toString('hex');
    await tx.updateTable('audit_events').set({ salts: row.salts }).where('id', '=', row.id).execute();
  }
  const leaves = rows.map((row, index) => eventLeaf(log, { ...eventOfRow(row), seq: size + index + 1 }));
  for (const leaf of leaves) range.append(leaf);
  const own = log === OWN_LOG ? sql`organization_id IS NULL` : sql`organization_id = ${log}`;
  await sql`
    UPDATE audit_events SET seq = numbered.position + ${size}
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS position FROM audit_events
          WHERE ${own} AND seq IS NULL AND id <= ${last.id}) AS numbered
    WHERE audit_events.id = numbered.id`.execute(tx);
  await appendLeaves(tx, log, size, leaves);
  const head = {
    size: range.size,
    root: range.root(),
    retained: Math.max(options.retained ?? 0, before?.retained ?? 0),
  };
  const note = key.checkpoint(head);
  await tx
    .insertInto('audit_checkpoints')
    .values({ organization_id: log, size: head.size, at: now, note })
    .execute();
  return { head: { ...head, note }, more: rows.length === BATCH };
}
