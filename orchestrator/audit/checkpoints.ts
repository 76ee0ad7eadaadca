import { noteCrypto } from '../../base/dsse.ts';
import { type Checkpoint, type NoteKey, openCheckpoint } from '../../protocol/signed-note.ts';
import type { Queryable } from '../store/store.ts';

export interface KeptNote {
  size: number;
  at: number;
  note: string;
}

const selectNotes = (db: Queryable, log: string) =>
  db.selectFrom('audit_checkpoints').select(['size', 'at', 'note']).where('organization_id', '=', log);

export const newestNote = async (db: Queryable, log: string): Promise<KeptNote | undefined> =>
  selectNotes(db, log).orderBy('size', 'desc').limit(1).executeTakeFirst();

/** From the oldest to the newest. */
export const allNotes = (db: Queryable, log: string): Promise<KeptNote[]> =>
  selectNotes(db, log).orderBy('size').execute();

/** A note that the key signed and that says what the row says. */
export function openNote(kept: KeptNote, key: NoteKey): Checkpoint | undefined {
  const checkpoint = openCheckpoint(noteCrypto, kept.note, key);
  return checkpoint !== undefined && checkpoint.size === Number(kept.size) ? checkpoint : undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Keeps each checkpoint of the last day, and of what is older the last one of each hour. */
export async function thinNotes(tx: Queryable, log: string, now: number): Promise<void> {
  const old = await tx
    .selectFrom('audit_checkpoints')
    .select(['size', 'at'])
    .where('organization_id', '=', log)
    .where('at', '<', now - DAY_MS)
    .orderBy('size')
    .execute();
  const last = new Map(old.map(({ size, at }) => [Math.floor(Number(at) / HOUR_MS), Number(size)]));
  const kept = new Set(last.values());
  for (const { size } of old) {
    if (kept.has(Number(size))) continue;
    await tx
      .deleteFrom('audit_checkpoints')
      .where('organization_id', '=', log)
      .where('size', '=', size)
      .execute();
  }
}
