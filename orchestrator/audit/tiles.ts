import { sha256 } from '../../base/dsse.ts';
import { CompactRange, HASH_BYTES, peakSizes, type SubtreeHash } from '../../protocol/merkle.ts';
import type { Queryable } from '../store/store.ts';

/**
 * The hashes of a log's tree, 256 to a row in the manner of https://c2sp.org/tlog-tiles: row `tile` of level L holds
 * the roots of complete subtrees of 256^L leaves. 32 bytes for each event, a few rows for each proof. They stay
 * when events are dropped, so that every checkpoint that was ever given can still be proven.
 */
const WIDTH = 256;

interface Tile {
  level: number;
  tile: number;
  bytes: Buffer;
}

async function readTile(db: Queryable, log: string, level: number, tile: number): Promise<Buffer> {
  const row = await db
    .selectFrom('audit_tiles')
    .select('hashes')
    .where('organization_id', '=', log)
    .where('level', '=', level)
    .where('tile', '=', tile)
    .executeTakeFirst();
  return Buffer.from(row?.hashes ?? '', 'base64');
}

function rootOfTile(bytes: Buffer): Uint8Array {
  const range = new CompactRange(sha256);
  for (let at = 0; at < bytes.length; at += HASH_BYTES) range.append(bytes.subarray(at, at + HASH_BYTES));
  return range.root();
}

/** Hashes of complete subtrees of a log, each tile read once. A missing one is all zeros: no proof holds with it. */
export function subtreeReader(db: Queryable, log: string): SubtreeHash {
  const tiles = new Map<string, Promise<Buffer>>();
  return async (start, size) => {
    let [level, span] = [0, 1];
    while (span * WIDTH <= size) [level, span] = [level + 1, span * WIDTH];
    const first = start / span;
    const tile = Math.floor(first / WIDTH);
    const key = `${level}/${tile}`;
    const reading = tiles.get(key) ?? readTile(db, log, level, tile);
    tiles.set(key, reading);
    const bytes = await reading;
    const from = (first % WIDTH) * HASH_BYTES;
    const own = bytes.subarray(from, from + (size / span) * HASH_BYTES);
    return own.length === (size / span) * HASH_BYTES ? rootOfTile(own) : Buffer.alloc(HASH_BYTES);
  };
}

/** The tree as it is after `size` leaves, to go on from. */
export async function rangeAt(db: Queryable, log: string, size: number): Promise<CompactRange> {
  const subtree = subtreeReader(db, log);
  const peaks: Uint8Array[] = [];
  let at = 0;
  for (const peak of peakSizes(size)) {
    peaks.push(await subtree(at, peak));
    at += peak;
  }
  return new CompactRange(sha256, { size, peaks });
}

/** Adds leaves after the first `size` ones, in the caller's transaction. */
export async function appendLeaves(
  tx: Queryable,
  log: string,
  size: number,
  leaves: readonly Uint8Array[],
): Promise<void> {
  const changed: Tile[] = [];
  let [level, at, hashes] = [0, size, leaves];
  while (hashes.length > 0) {
    const above: Uint8Array[] = [];
    const firstTile = Math.floor(at / WIDTH);
    let bytes = at % WIDTH === 0 ? Buffer.alloc(0) : await readTile(tx, log, level, firstTile);
    bytes = bytes.subarray(0, (at % WIDTH) * HASH_BYTES);
    let tile = firstTile;
    const all = Buffer.concat([bytes, ...hashes]);
    for (let from = 0; from < all.length; from += WIDTH * HASH_BYTES, tile++) {
      const own = all.subarray(from, from + WIDTH * HASH_BYTES);
      changed.push({ level, tile, bytes: own });
      if (own.length === WIDTH * HASH_BYTES) above.push(rootOfTile(own));
    }
    [level, at, hashes] = [level + 1, firstTile, above];
  }
  for (const { level: row, tile, bytes } of changed) {
    const text = bytes.toString('base64');
    await tx
      .insertInto('audit_tiles')
      .values({ organization_id: log, level: row, tile, hashes: text })
      .onConflict((oc) => oc.columns(['organization_id', 'level', 'tile']).doUpdateSet({ hashes: text }))
      .execute();
  }
}

/** Each leaf hash of a log from `after` on, in order. */
export async function* leavesOf(
  db: Queryable,
  log: string,
  range: { after: number; size: number },
): AsyncGenerator<Uint8Array, void, void> {
  for (let at = range.after; at < range.size; ) {
    const bytes = await readTile(db, log, 0, Math.floor(at / WIDTH));
    const end = Math.min(range.size, (Math.floor(at / WIDTH) + 1) * WIDTH);
    for (; at < end; at++) {
      const from = (at % WIDTH) * HASH_BYTES;
      yield bytes.subarray(from, from + HASH_BYTES);
    }
  }
}
