import { AppError } from '../../protocol/errors.ts';
import { HASH_BYTES, peakSizes, sameBytes } from '../../protocol/merkle.ts';
import { readCheckpoint } from '../../protocol/signed-note.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable } from '../store/store.ts';
import { allNotes, newestNote } from './checkpoints.ts';
import { eventLeaf, eventOfRow, selectEvents } from './events.ts';
import { findLogKey, type LogKey } from './keys.ts';
import { leavesOf } from './tiles.ts';
import { type Claim, claimOf, type LogToVerify, type Position } from './verify.ts';

/** Positions that are read together. */
const PAGE = 500;

/** The events of a log beside the leaves they were sealed as. Nothing is taken from a column that was not asked for by position. */
export async function* storedPositions(
  db: Queryable,
  log: string,
  range: { after: number; size: number },
): AsyncGenerator<Position, void, void> {
  const leaves = leavesOf(db, log, range);
  for (let from = range.after + 1; from <= range.size; from += PAGE) {
    const end = Math.min(from + PAGE, range.size + 1);
    const rows = await selectEvents(db, log)
      .where('seq', '>=', from)
      .where('seq', '<', end)
      .orderBy('seq')
      .orderBy('id')
      .execute();
    // A long log must not keep others waiting.
    await new Promise((resolve) => setImmediate(resolve));
    const bySeq = Map.groupBy(rows.map(eventOfRow), ({ seq }) => seq);
    const last = Math.max(0, ...bySeq.keys());
    for (let seq = from; seq < end; seq++) {
      const leaf = (await leaves.next()).value ?? Buffer.alloc(HASH_BYTES);
      const here = bySeq.get(seq) ?? [];
      const event = here.find((one) => sameBytes(eventLeaf(log, one), leaf)) ?? here[0];
      const other = here.find((one) => one !== event);
      const position: Position = { seq, leaf, event };
      if (other !== undefined)
        position.misplaced = { kind: 'inserted', why: 'two events stand there', eventId: other.id };
      else if (event === undefined && seq > last && (await isEnd(db, log, seq)))
        position.misplaced = { kind: 'truncated', why: 'the events from here on were deleted' };
      yield position;
    }
  }
}

async function isEnd(db: Queryable, log: string, seq: number): Promise<boolean> {
  const before = await selectEvents(db, log).where('seq', '<', seq).limit(1).executeTakeFirst();
  const after = await selectEvents(db, log).where('seq', '>=', seq).limit(1).executeTakeFirst();
  return before !== undefined && after === undefined;
}

/** A checkpoint that somebody else keeps. */
export interface KeptElsewhere {
  who: string;
  note: string;
}

/**
 * The key by which a log is judged. @throws AppError `not_found` when nothing was sealed yet; `conflict` when the key
 * is gone or is none of this orchestrator's, which is as bad as a log can be.
 */
async function keyToVerify(db: Queryable, sealer: Sealer, log: string): Promise<LogKey> {
  const gone = (detail: string, cause?: unknown) =>
    new AppError('conflict', {
      detail,
      hint: 'If master.key is that of this store, somebody replaced the key: verify an export or a backup with the key that you kept.',
      cause,
    });
  let key: LogKey | undefined;
  try {
    key = await findLogKey(db, sealer, log);
  } catch (cause) {
    throw gone(`The key of the audit log ${log} does not open with this master key.`, cause);
  }
  if (key !== undefined) return key;
  const sealed = await selectEvents(db, log).where('seq', 'is not', null).limit(1).executeTakeFirst();
  const note = await newestNote(db, log);
  if (sealed !== undefined || note !== undefined)
    throw gone(`The key of the audit log ${log} is gone, and the log was sealed with one.`);
  throw new AppError('not_found', {
    detail: 'Nothing was sealed in this log yet.',
    hint: 'Events are sealed within a second of being recorded.',
  });
}

/** A log as the store has it. @throws AppError `not_found` when nothing was sealed yet. */
export async function logInStore(
  db: Queryable,
  options: { sealer: Sealer; log: string; witnesses: readonly KeptElsewhere[] },
): Promise<LogToVerify> {
  const { sealer, log, witnesses } = options;
  const key = await keyToVerify(db, sealer, log);
  const notes = await allNotes(db, log);
  const own: Claim[] = notes.map(({ size, note }) => {
    const claim = claimOf(key, note, Number(size));
    return claim.checkpoint?.size === Number(size) ? claim : { ...claim, checkpoint: undefined };
  });
  const size = Number(notes.at(-1)?.size ?? 0);
  const { unsealed } = await selectEvents(db, log)
    .clearSelect()
    .select((eb) => eb.fn.countAll<number>().as('unsealed'))
    .where('seq', 'is', null)
    .executeTakeFirstOrThrow();
  const beyond = await selectEvents(db, log)
    .where((eb) => eb.or([eb('seq', '>', size), eb('seq', '<', 1)]))
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst();
  return {
    log,
    key,
    start: { size: 0, peaks: [] },
    positions: storedPositions(db, log, { after: 0, size }),
    claims: [...own, ...witnesses.map(({ who, note }) => claimOf(key, note, sizeOf(note), who))],
    unsealed: Number(unsealed),
    beyond: beyond && { seq: Number(beyond.seq), eventId: Number(beyond.id) },
  };
}

export const sizeOf = (note: string): number => readCheckpoint(note)?.size ?? 0;

/** Whether peaks that were handed over are as many as a tree of this size has. */
export const fitPeaks = (size: number, peaks: readonly Uint8Array[]): boolean =>
  peakSizes(size).length === peaks.length && peaks.every(({ length }) => length === HASH_BYTES);
