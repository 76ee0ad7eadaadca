import { noteCrypto, sha256 } from '../../base/dsse.ts';
import type { AuditProblem, AuditReport } from '../../protocol/audit-log.ts';
import { CompactRange, sameBytes } from '../../protocol/merkle.ts';
import { type Checkpoint, type NoteKey, openCheckpoint } from '../../protocol/signed-note.ts';
import { eventLeaf, type SaltedEvent } from './events.ts';

/** A position of the log: its leaf as it was kept, and the event that should hash to it. */
export interface Position {
  seq: number;
  leaf: Uint8Array;
  event: SaltedEvent | undefined;
  /** Why the event that stands here is not the one that belongs here, where reading already shows it. */
  misplaced?: { kind: 'inserted' | 'truncated'; why: string; eventId?: number };
}

/** A signed checkpoint from somewhere; `who` is undefined for the log's own. */
export interface Claim {
  who: string | undefined;
  /** Undefined where the note is not genuine. */
  checkpoint: Checkpoint | undefined;
  /** What the one who keeps it says of its size, for a note that does not open. */
  size: number;
}

export interface LogToVerify {
  log: string;
  key: NoteKey & { text: string };
  start: { size: number; peaks: readonly Uint8Array[] };
  positions: AsyncIterable<Position>;
  /** The log's own checkpoints, oldest first, and what witnesses keep. */
  claims: readonly Claim[];
  unsealed: number;
  /** An event that says it is sealed, behind the newest checkpoint. */
  beyond?: { seq: number; eventId: number } | undefined;
}

export const claimOf = (key: NoteKey, note: string, size: number, who?: string): Claim => ({
  who,
  size,
  checkpoint: openCheckpoint(noteCrypto, note, key),
});

type Found = AuditProblem;

/** Mismatches that are kept to tell how the first one came about. */
const MOST_MISMATCHES = 500;

const hashesTo = (log: string, event: SaltedEvent | undefined, at: Position): boolean =>
  event !== undefined && sameBytes(eventLeaf(log, { ...event, seq: at.seq }), at.leaf);

/** What is wrong with a position by itself. */
function plainProblem(position: Position, retained: number): Found | undefined {
  const { seq, event, misplaced } = position;
  if (misplaced !== undefined)
    return {
      kind: misplaced.kind,
      seq,
      why: misplaced.why,
      ...(misplaced.eventId === undefined ? {} : { event_id: misplaced.eventId }),
    };
  if (event === undefined && seq > retained) return { kind: 'missing', seq, why: 'the event was deleted' };
  return undefined;
}

/** How the first event that does not hash to its leaf came to stand there. */
function mismatchProblem(log: string, mismatches: readonly Position[]): Found | undefined {
  const [first, ...rest] = mismatches;
  if (first?.event === undefined) return undefined;
  const found = (kind: Found['kind'], why: string): Found => ({
    kind,
    seq: first.seq,
    why,
    ...(first.event === undefined ? {} : { event_id: first.event.id }),
  });
  const owner = rest.find(({ event }) => hashesTo(log, event, first));
  const place = rest.find((at) => hashesTo(log, first.event, at));
  if (owner !== undefined && place !== undefined)
    return found('swapped', `it belongs to ${place.seq}, and the event of ${owner.seq} belongs here`);
  if (owner !== undefined) return found('inserted', 'it was put in, and what follows was moved on');
  if (place !== undefined) return found('missing', 'the event was deleted, and what follows was moved up');
  return found('changed', 'it is not what was sealed');
}

/**
 * Walks a log once and says what is wrong first. Every root is computed anew from the leaves and compared with each
 * signed checkpoint, own or kept by a witness; every event is hashed anew and compared with its leaf. So an edit is
 * named exactly, and one whose maker hashed the rest anew lies between the last checkpoint that fits and the first
 * that does not.
 */
export async function verifyLog(subject: LogToVerify): Promise<AuditReport> {
  const { log, key, claims } = subject;
  const range = new CompactRange(sha256, subject.start);
  const own = claims.filter(({ who }) => who === undefined);
  const newest = own.at(-1)?.checkpoint;
  const retained = newest?.retained ?? 0;
  const bySize = Map.groupBy(
    claims.filter(({ checkpoint }) => checkpoint !== undefined),
    ({ size }) => size,
  );
  const agrees = new Map<Claim, boolean>();
  let lastGood = 0;
  const problems: Found[] = [];
  const mismatches: Position[] = [];
  let plain: Found | undefined;
  let [checked, erased] = [0, 0];

  const compare = () => {
    const here = bySize.get(range.size) ?? [];
    const root = here.length === 0 ? undefined : range.root();
    for (const claim of here) {
      const fits =
        root !== undefined && claim.checkpoint !== undefined && sameBytes(root, claim.checkpoint.root);
      agrees.set(claim, fits);
      if (fits) lastGood = Math.max(lastGood, range.size);
      else
        problems.push({
          kind: 'rewritten',
          seq: Math.min(lastGood + 1, range.size),
          until: range.size,
          why: `${claim.who === undefined ? 'the checkpoint' : `the checkpoint that ${claim.who} keeps`} of ${range.size} events was signed over others`,
        });
    }
  };
  compare();
  for await (const position of subject.positions) {
    const problem = plainProblem(position, retained);
    if (problem !== undefined) plain ??= problem;
    else if (position.event !== undefined && !hashesTo(log, position.event, position)) {
      if (mismatches.length < MOST_MISMATCHES) mismatches.push(position);
    }
    if (position.event !== undefined) {
      checked += 1;
      if (Object.keys(position.event.erased).length > 0) erased += 1;
    }
    range.append(position.leaf);
    compare();
  }

  for (const problem of [plain, mismatchProblem(log, mismatches)])
    if (problem !== undefined) problems.push(problem);
  const size = range.size;
  let before = 0;
  for (const claim of claims) {
    if (claim.checkpoint === undefined) {
      agrees.set(claim, false);
      problems.push({
        kind: 'bad_signature',
        seq: Math.min(before + 1, Math.max(claim.size, 1)),
        until: Math.max(claim.size, 1),
        why:
          claim.who === undefined
            ? `a checkpoint of ${claim.size} events is not signed by ${key.name}`
            : `the checkpoint that ${claim.who} keeps is not signed by ${key.name}: its key was replaced, or ${claim.who} says what is not so`,
      });
    } else if (claim.size > size) {
      agrees.set(claim, false);
      problems.push({
        kind: 'truncated',
        seq: size + 1,
        until: claim.size,
        why: `${claim.who ?? 'a signed checkpoint'} knows ${claim.size} events, and there are ${size}`,
      });
    } else if (claim.size < subject.start.size) {
      // It cannot be said from here.
    } else if (claim.who === undefined) before = claim.size;
  }
  if (newest === undefined && size > 0)
    problems.push({ kind: 'bad_signature', seq: 1, until: size, why: 'there is no signed checkpoint' });
  if (subject.beyond !== undefined)
    problems.push({
      kind: 'inserted',
      seq: subject.beyond.seq,
      event_id: subject.beyond.eventId,
      why: 'it says that it is sealed, and no checkpoint covers it',
    });
  // The first one; of two that begin at the same place the one that knows it exactly.
  const problem = problems.toSorted((a, b) => a.seq - b.seq || (a.until ?? a.seq) - (b.until ?? b.seq))[0];
  const exact = problem?.until === undefined ? undefined : within(problems, problem);
  return {
    ok: problem === undefined,
    log,
    key: key.text,
    size,
    root: Buffer.from(range.root()).toString('base64'),
    retained,
    checked,
    erased,
    unsealed: subject.unsealed,
    checkpoints: own.length,
    witnesses: claims.flatMap((claim) =>
      claim.who === undefined
        ? []
        : [{ who: claim.who, size: claim.size, agrees: agrees.get(claim) ?? false }],
    ),
    ...(problem === undefined ? {} : { problem: exact ?? problem }),
  };
}

/** An event inside the range that a checkpoint points at, which says more than the range. */
const within = (problems: readonly Found[], range: Found): Found | undefined =>
  range.kind === 'truncated'
    ? undefined
    : problems
        .filter(({ seq, until }) => until === undefined && seq >= range.seq && seq <= (range.until ?? seq))
        .toSorted((a, b) => a.seq - b.seq)[0];
