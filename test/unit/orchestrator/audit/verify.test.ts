import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../../base/dsse.ts';
import { newestNote } from '../../../../orchestrator/audit/checkpoints.ts';
import { eventLeaf, eventOfRow, selectEvents } from '../../../../orchestrator/audit/events.ts';
import { exportLog, logInExport } from '../../../../orchestrator/audit/export.ts';
import { createLogKey } from '../../../../orchestrator/audit/keys.ts';
import { appendLeaves } from '../../../../orchestrator/audit/tiles.ts';
import { verifyLog } from '../../../../orchestrator/audit/verify.ts';
import type { ExportLine } from '../../../../protocol/audit-log.ts';
import { CompactRange } from '../../../../protocol/merkle.ts';
import { parseVerifierKey } from '../../../../protocol/signed-note.ts';
import { ORG, startLogRig, TRUST_DOMAIN } from './rig.ts';

const COLUMNS =
  'organization_id, at, action, actor_type, actor_id, actor_name, address, target, detail, seq, salts, erased';
const EVENTS = 700;

/** A log of 700 events in batches of 70, and how it is when nobody touched it. */
async function filled() {
  const rig = await startLogRig();
  await rig.fill(EVENTS, 70);
  const report = await rig.verify();
  expect(report).toMatchObject({ ok: true, size: EVENTS, checked: EVENTS, checkpoints: 10, unsealed: 0 });
  return rig;
}
type Rig = Awaited<ReturnType<typeof filled>>;

/** What somebody with the database and time does: hashes everything anew, and keeps the old checkpoints. */
async function hashAnew(rig: Rig): Promise<void> {
  rig.tamper('DELETE FROM audit_tiles');
  const rows = await selectEvents(rig.store.db, ORG).where('seq', 'is not', null).orderBy('seq').execute();
  await appendLeaves(
    rig.store.db,
    ORG,
    0,
    rows.map((row) => eventLeaf(ORG, eventOfRow(row))),
  );
}

/** And what one who has the key as well does: signs a checkpoint over it. */
async function signAnew(rig: Rig): Promise<void> {
  await hashAnew(rig);
  const rows = await selectEvents(rig.store.db, ORG).orderBy('seq').execute();
  const range = new CompactRange(sha256);
  for (const row of rows) range.append(eventLeaf(ORG, eventOfRow(row)));
  const key = await rig.key();
  const note = key?.checkpoint({ size: range.size, root: range.root(), retained: 0 }) ?? '';
  rig.tamper('DELETE FROM audit_checkpoints');
  await rig.store.db
    .insertInto('audit_checkpoints')
    .values({ organization_id: ORG, size: range.size, at: 0, note })
    .execute();
}

describe('[audit-1] verify names the first bad event when somebody', () => {
  it.each([
    ['flips a byte of an action', "UPDATE audit_events SET action = 'token.creatf' WHERE seq = 300"],
    ['changes a time', 'UPDATE audit_events SET at = at + 1 WHERE seq = 300'],
    ['changes who it was', "UPDATE audit_events SET actor_id = 'usr-2' WHERE seq = 300"],
    [
      'changes a name, which enters as a commitment',
      "UPDATE audit_events SET actor_name = 'bob' WHERE seq = 300",
    ],
    ['changes an address', "UPDATE audit_events SET address = '192.0.2.8' WHERE seq = 300"],
    ['removes an address', 'UPDATE audit_events SET address = NULL WHERE seq = 300'],
    ['changes a target', "UPDATE audit_events SET target = 'tok-x' WHERE seq = 300"],
    ['changes a detail', `UPDATE audit_events SET detail = '{"uses":1}' WHERE seq = 300`],
    ['changes a salt', `UPDATE audit_events SET salts = '${'0'.repeat(32)}' WHERE seq = 300`],
    [
      'says that something was erased',
      `UPDATE audit_events SET erased = '{"actor_name":"00"}' WHERE seq = 300`,
    ],
  ])('%s', async (_, statement) => {
    await using rig = await filled();
    rig.tamper(statement);
    const report = await rig.verify();
    expect(report.ok).toBe(false);
    expect(report.problem).toMatchObject({ kind: 'changed', seq: 300 });
  });

  it('deletes one', async () => {
    await using rig = await filled();
    rig.tamper('DELETE FROM audit_events WHERE seq = 300');
    expect((await rig.verify()).problem).toMatchObject({ kind: 'missing', seq: 300 });
  });

  it('deletes one and moves up what follows', async () => {
    await using rig = await filled();
    rig.tamper(
      'DELETE FROM audit_events WHERE seq = 300',
      'UPDATE audit_events SET seq = seq - 1 WHERE seq > 300',
    );
    expect((await rig.verify()).problem).toMatchObject({ kind: 'missing', seq: 300 });
  });

  it('puts one in', async () => {
    await using rig = await filled();
    rig.tamper(`INSERT INTO audit_events (${COLUMNS}) SELECT ${COLUMNS} FROM audit_events WHERE seq = 300`);
    expect((await rig.verify()).problem).toMatchObject({ kind: 'inserted', seq: 300, event_id: EVENTS + 1 });
  });

  it('puts one in and moves on what follows', async () => {
    await using rig = await filled();
    rig.tamper(
      'UPDATE audit_events SET seq = seq + 1 WHERE seq >= 300',
      `INSERT INTO audit_events (${COLUMNS}) SELECT ${COLUMNS.replace(' seq,', ' 300,')} FROM audit_events WHERE seq = 1`,
    );
    const { problem } = await rig.verify();
    expect(problem).toMatchObject({ kind: 'inserted', seq: 300, event_id: EVENTS + 1 });
  });

  it('puts one behind the newest checkpoint, as if it were sealed', async () => {
    await using rig = await filled();
    rig.tamper(
      `INSERT INTO audit_events (${COLUMNS}) SELECT ${COLUMNS.replace(' seq,', ' 701,')} FROM audit_events WHERE seq = 1`,
    );
    expect((await rig.verify()).problem).toMatchObject({ kind: 'inserted', seq: 701 });
  });

  it('swaps two', async () => {
    await using rig = await filled();
    rig.tamper(
      'UPDATE audit_events SET seq = -1 WHERE seq = 300',
      'UPDATE audit_events SET seq = 300 WHERE seq = 410',
      'UPDATE audit_events SET seq = 410 WHERE seq = -1',
    );
    expect((await rig.verify()).problem).toMatchObject({ kind: 'swapped', seq: 300 });
  });

  it('cuts the tail', async () => {
    await using rig = await filled();
    rig.tamper('DELETE FROM audit_events WHERE seq > 650');
    expect((await rig.verify()).problem).toMatchObject({ kind: 'truncated', seq: 651 });
  });

  it('cuts the tail of events and hashes', async () => {
    await using rig = await filled();
    rig.tamper('DELETE FROM audit_events WHERE seq > 650');
    await hashAnew(rig);
    expect((await rig.verify()).problem).toMatchObject({ seq: 651 });
  });

  it('cuts events, hashes and checkpoints, by a checkpoint that somebody else keeps', async () => {
    await using rig = await filled();
    const kept = await newestNote(rig.store.db, ORG);
    rig.tamper('DELETE FROM audit_events WHERE seq > 630', 'DELETE FROM audit_checkpoints WHERE size > 630');
    await hashAnew(rig);
    // By itself it is a log that was signed once; this is what witnesses are for.
    expect((await rig.verify()).ok).toBe(true);
    const report = await rig.verify([{ who: 'vm-web-a1b2c3', note: kept?.note ?? '' }]);
    expect(report.problem).toMatchObject({ kind: 'truncated', seq: 631, until: 700 });
    expect(report.witnesses).toEqual([{ who: 'vm-web-a1b2c3', size: 700, agrees: false }]);
  });

  it('changes one and hashes everything anew, by the checkpoints around it', async () => {
    await using rig = await filled();
    rig.tamper("UPDATE audit_events SET target = 'tok-x' WHERE seq = 300");
    await hashAnew(rig);
    const { problem } = await rig.verify();
    expect(problem).toMatchObject({ kind: 'rewritten', seq: 281, until: 350 });
  });

  it('replaces the whole log and signs it with the stolen key, by what witnesses keep', async () => {
    await using rig = await filled();
    const notes = await rig.store.db.selectFrom('audit_checkpoints').selectAll().orderBy('size').execute();
    rig.tamper("UPDATE audit_events SET target = 'tok-x' WHERE seq >= 300");
    await signAnew(rig);
    expect((await rig.verify()).ok).toBe(true);
    const witnesses = notes.map(({ size, note }) => ({ who: `vm-${size}`, note }));
    const report = await rig.verify(witnesses);
    expect(report.problem).toMatchObject({ kind: 'rewritten', seq: 281, until: 350 });
    expect(report.witnesses.filter(({ agrees }) => agrees).map(({ size }) => size)).toEqual([
      70, 140, 210, 280,
    ]);
  });

  it('replaces the whole log and signs it with a key of his own', async () => {
    await using rig = await filled();
    const { sealer: other } = await foreignKey();
    rig.tamper('DELETE FROM audit_keys');
    await expect(rig.verify()).rejects.toThrow('is gone, and the log was sealed with one');
    await rig.store.transaction((tx) =>
      createLogKey(tx, { sealer: other, log: ORG, trustDomain: TRUST_DOMAIN, now: 0 }),
    );
    await expect(rig.verify()).rejects.toThrow('does not open with this master key');
  });

  it('edits a checkpoint', async () => {
    await using rig = await filled();
    rig.tamper("UPDATE audit_checkpoints SET note = replace(note, '350', '351') WHERE size = 350");
    expect((await rig.verify()).problem).toMatchObject({ kind: 'bad_signature', seq: 281, until: 350 });
  });

  it('removes all checkpoints', async () => {
    await using rig = await filled();
    rig.tamper('DELETE FROM audit_checkpoints');
    expect((await rig.verify()).problem).toMatchObject({ kind: 'inserted', seq: 1 });
  });

  it('changes a hash and no event', async () => {
    await using rig = await filled();
    rig.tamper("UPDATE audit_tiles SET hashes = 'AAAA' || substr(hashes, 5) WHERE level = 0 AND tile = 1");
    expect((await rig.verify()).problem).toMatchObject({ kind: 'changed', seq: 257 });
  });
});

async function foreignKey() {
  const { createSealer } = await import('../../../../orchestrator/store/sealed.ts');
  return { sealer: createSealer(Buffer.alloc(32, 1)) };
}

describe('[audit-5] an export', () => {
  async function linesOf(rig: Rig, after = 0): Promise<ExportLine[]> {
    const key = await rig.key();
    if (key === undefined) throw new Error('no key');
    const lines: ExportLine[] = [];
    for await (const line of exportLog(rig.store, { log: ORG, key, after })) lines.push(line);
    return lines;
  }
  async function* text(lines: readonly ExportLine[]) {
    for (const line of lines) yield JSON.stringify(line);
  }
  async function verifyLines(lines: readonly ExportLine[], key?: string) {
    const pinned = key === undefined ? undefined : parseVerifierKey(sha256, key);
    return verifyLog(await logInExport(text(lines), { pinned, witnesses: [] }));
  }
  const eventAt = (lines: readonly ExportLine[], seq: number) =>
    lines.findIndex((line) => line.type === 'event' && line.seq === seq);

  it('verifies by itself and by the pinned key, from the beginning or from the middle', async () => {
    await using rig = await filled();
    const key = (await rig.key())?.text;
    expect(await verifyLines(await linesOf(rig), key)).toMatchObject({ ok: true, size: 700, checked: 700 });
    expect(await verifyLines(await linesOf(rig))).toMatchObject({ ok: true });
    expect(await verifyLines(await linesOf(rig, 333), key)).toMatchObject({ ok: true, checked: 367 });
    expect(await verifyLines(await linesOf(rig, 700), key)).toMatchObject({ ok: true, checked: 0 });
  });

  it('names the first bad event', async () => {
    await using rig = await filled();
    const lines = await linesOf(rig);
    const at = eventAt(lines, 300);
    const line = lines[at];
    if (line?.type !== 'event' || line.event === undefined) throw new Error('no event');
    const edited = lines.with(at, { ...line, event: { ...line.event, action: 'token.revoke' } });
    expect((await verifyLines(edited)).problem).toMatchObject({ kind: 'changed', seq: 300 });
    const cut = lines.toSpliced(at, 1);
    expect((await verifyLines(cut)).problem).toMatchObject({ seq: 300 });
    const doubled = lines.toSpliced(at, 0, line);
    expect((await verifyLines(doubled)).problem).toMatchObject({ seq: 301 });
    expect((await verifyLines(lines.slice(0, at))).problem).toMatchObject({ kind: 'truncated', seq: 300 });
  });

  it('by another key than the pinned one is refused, also where only its root was hashed anew', async () => {
    await using rig = await filled();
    await using other = await filled();
    const lines = await linesOf(rig);
    const foreign = (await other.key())?.text ?? '';
    expect((await verifyLines(lines, foreign)).problem).toMatchObject({ kind: 'bad_signature', seq: 1 });
    const head = lines[0];
    if (head?.type !== 'log') throw new Error('no head');
    const wrongPeaks = await linesOf(rig, 333);
    const first = wrongPeaks[0];
    if (first?.type !== 'log') throw new Error('no head');
    const broken = wrongPeaks.with(0, { ...first, peaks: first.peaks.map(() => first.peaks[1] ?? '') });
    expect((await verifyLines(broken)).problem).toMatchObject({ kind: 'rewritten' });
  });

  it('that is none is said so, with the line', async () => {
    const read = async (lines: string[]) => {
      async function* all() {
        yield* lines;
      }
      return logInExport(all(), { pinned: undefined, witnesses: [] });
    };
    await expect(read(['nonsense'])).rejects.toThrow('Line 1');
    await expect(read([])).rejects.toThrow('empty');
  });
});
