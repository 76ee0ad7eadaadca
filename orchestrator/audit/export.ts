import { sha256 } from '../../base/dsse.ts';
import { type ExportLine, exportLineSchema } from '../../protocol/audit-log.ts';
import { AppError } from '../../protocol/errors.ts';
import { HASH_BYTES } from '../../protocol/merkle.ts';
import { type NoteKey, parseVerifierKey } from '../../protocol/signed-note.ts';
import type { Store } from '../store/store.ts';
import { allNotes } from './checkpoints.ts';
import type { LogKey } from './keys.ts';
import { fitPeaks, type KeptElsewhere, sizeOf, storedPositions } from './sources.ts';
import { rangeAt } from './tiles.ts';
import { type Claim, claimOf, type LogToVerify, type Position } from './verify.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/**
 * A log from `after` on as lines of JSON that verify by themselves: the head, events with their leaves, checkpoints
 * where they belong. It ends at the newest checkpoint there was when it began.
 */
export async function* exportLog(
  { db }: Pick<Store, 'db'>,
  options: { log: string; key: LogKey; after: number },
): AsyncGenerator<ExportLine, void, void> {
  const { log, key, after } = options;
  const notes = await allNotes(db, log);
  const newest = notes.at(-1);
  const size = Number(newest?.size ?? 0);
  if (after > size)
    throw new AppError('bad_request', {
      detail: `The log has ${size} sealed events; nothing follows ${after}.`,
    });
  const start = await rangeAt(db, log, after);
  yield {
    type: 'log',
    version: 1,
    log,
    key: key.text,
    after,
    peaks: start.peaks.map(base64),
    checkpoint: newest?.note ?? '',
  };
  let next = notes.findIndex((note) => Number(note.size) >= Math.max(after, 1));
  if (next === -1) return;
  const checkpointsAt = function* (at: number): Generator<ExportLine> {
    for (let note = notes[next]; note !== undefined && Number(note.size) <= at; note = notes[++next])
      yield { type: 'checkpoint', note: note.note };
  };
  yield* checkpointsAt(after);
  for await (const { seq, leaf, event } of storedPositions(db, log, { after, size })) {
    const { seq: _, ...content } = event ?? { seq: 0 };
    yield {
      type: 'event',
      seq,
      leaf: base64(leaf),
      ...(event === undefined ? {} : { event: content as Omit<typeof event, 'seq'> }),
    };
    yield* checkpointsAt(seq);
  }
}

const broken = (line: number, why: string): AppError =>
  new AppError('bad_request', {
    detail: `Line ${line} of the export cannot be read: ${why}.`,
    hint: 'Make it by `vm-orchestrator audit export`; it holds a JSON object on each line.',
  });

function parseLine(text: string, number: number): ExportLine {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new AppError('bad_request', { detail: `Line ${number} of the export is not JSON.`, cause });
  }
  const parsed = exportLineSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw broken(number, 'it has another form');
}

/**
 * A log as an export has it. `pinned` is the verifier key that was kept apart: without it an export only shows that
 * it fits itself.
 * @throws AppError when it is no export, or of another log than the pinned key's.
 */
export async function logInExport(
  lines: AsyncIterable<string>,
  options: { pinned: NoteKey | undefined; witnesses: readonly KeptElsewhere[] },
): Promise<LogToVerify> {
  let number = 0;
  let head: Extract<ExportLine, { type: 'log' }> | undefined;
  const positions: Position[] = [];
  const notes: string[] = [];
  for await (const text of lines) {
    number += 1;
    if (text.trim() === '') continue;
    const line = parseLine(text, number);
    if (line.type === 'log') {
      if (head !== undefined) throw broken(number, 'there is a second head');
      head = line;
    } else if (head === undefined) throw broken(number, 'the head is missing');
    else if (line.type === 'checkpoint') notes.push(line.note);
    else positions.push(positionOf(line, head.after + positions.length + 1));
  }
  if (head === undefined) throw broken(1, 'it is empty');
  const own = parseVerifierKey(sha256, head.key);
  const key = options.pinned ?? own;
  if (key === undefined || own === undefined) throw broken(1, 'its key is no verifier key');
  const peaks = head.peaks.map((text) => Buffer.from(text, 'base64'));
  if (!fitPeaks(head.after, peaks)) throw broken(1, 'the hashes of what stands before it are not complete');
  // What the head promises is an own checkpoint as well: a tail that was cut from the file is missed.
  if (head.checkpoint !== '' && !notes.includes(head.checkpoint)) notes.push(head.checkpoint);
  const claims: Claim[] = notes
    .map((note) => claimOf(key, note, sizeOf(note)))
    .toSorted((a, b) => a.size - b.size);
  return {
    log: head.log,
    key: { ...key, text: head.key },
    start: { size: head.after, peaks },
    positions: listed(positions),
    claims: [...claims, ...options.witnesses.map(({ who, note }) => claimOf(key, note, sizeOf(note), who))],
    unsealed: 0,
  };
}

function positionOf(line: Extract<ExportLine, { type: 'event' }>, expected: number): Position {
  const leaf = Buffer.from(line.leaf, 'base64');
  const event = line.event === undefined ? undefined : { ...line.event, seq: line.seq };
  return {
    seq: expected,
    leaf: leaf.length === HASH_BYTES ? leaf : Buffer.alloc(HASH_BYTES),
    event,
    ...(line.seq === expected
      ? {}
      : {
          misplaced: {
            kind: 'inserted' as const,
            why: `the export has ${line.seq} where ${expected} belongs`,
          },
        }),
  };
}

async function* listed(positions: readonly Position[]): AsyncGenerator<Position, void, void> {
  yield* positions;
}
