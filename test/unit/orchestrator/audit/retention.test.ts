import { describe, expect, it } from 'vitest';
import { allNotes, newestNote, thinNotes } from '../../../../orchestrator/audit/checkpoints.ts';
import { selectEvents } from '../../../../orchestrator/audit/events.ts';
import { retention } from '../../../../orchestrator/audit/retention.ts';
import { ORG, startLogRig } from './rig.ts';

type Rig = Awaited<ReturnType<typeof startLogRig>>;
const ADMIN = { type: 'user', id: 'usr-9', name: 'root' } as const;
const HOUR = 3_600_000;
const drop = (rig: Rig, before: number, sinks: string[] = []) =>
  retention({ ...rig.options, store: rig.store, clock: rig.clock, sinks })({
    log: ORG,
    organizationId: ORG,
    before,
    actor: ADMIN,
    address: null,
  });

/** 300 events, an hour, 300 more. */
async function twoHours() {
  const rig = await startLogRig();
  await rig.fill(300, 100);
  await rig.clock.advance(HOUR);
  await rig.fill(300, 100);
  return rig;
}

describe('[audit-4] retention', () => {
  it('drops the oldest events, says so in a signed checkpoint, and the log still verifies', async () => {
    await using rig = await twoHours();
    const kept = (await allNotes(rig.store.db, ORG)).map(({ size, note }) => ({ who: `vm-${size}`, note }));
    expect(await drop(rig, rig.clock.now())).toEqual({ dropped: 300, retained: 300 });
    expect((await newestNote(rig.store.db, ORG))?.note).toContain('\nretained 300\n');
    expect(await selectEvents(rig.store.db, ORG).where('seq', '<=', 300).execute()).toEqual([]);
    // Also by the checkpoints that witnesses keep from before, inside of what was dropped.
    const report = await rig.verify(kept);
    expect(report).toMatchObject({ ok: true, size: 601, retained: 300, checked: 301 });
    expect(report.witnesses.every(({ agrees }) => agrees)).toBe(true);
    const last = (await selectEvents(rig.store.db, ORG).orderBy('id').execute()).at(-1);
    expect(last).toMatchObject({ action: 'audit.retention', seq: 601 });
  });

  it('goes on from there: what follows is sealed, and dropped again', async () => {
    await using rig = await twoHours();
    await drop(rig, rig.clock.now());
    await rig.clock.advance(HOUR);
    await rig.fill(10);
    expect(await drop(rig, rig.clock.now())).toEqual({ dropped: 301, retained: 601 });
    expect(await rig.verify()).toMatchObject({ ok: true, size: 612, retained: 601 });
    expect(await drop(rig, 0)).toEqual({ dropped: 0, retained: 601 });
  });

  it('excuses nothing else: one more that is gone is missing', async () => {
    await using rig = await twoHours();
    await drop(rig, rig.clock.now());
    rig.tamper('DELETE FROM audit_events WHERE seq = 301');
    expect((await rig.verify()).problem).toMatchObject({ kind: 'missing', seq: 301 });
  });

  it('excuses nobody who only says that it was retention', async () => {
    await using rig = await twoHours();
    rig.tamper(
      'DELETE FROM audit_events WHERE seq <= 300',
      "UPDATE audit_checkpoints SET note = replace(note, char(10) || char(10), char(10) || 'retained 300' || char(10) || char(10)) WHERE size = 600",
    );
    expect((await rig.verify()).problem).toMatchObject({ seq: 1 });
  });

  it('keeps what a receiver of copies has not got yet', async () => {
    await using rig = await twoHours();
    await rig.store.db
      .insertInto('audit_cursors')
      .values({ organization_id: ORG, sink: 'syslog-1', seq: 120 })
      .execute();
    expect(await drop(rig, rig.clock.now(), ['syslog-1'])).toEqual({ dropped: 120, retained: 120 });
    expect(await drop(rig, rig.clock.now(), ['syslog-1', 'webhook-1'])).toEqual({
      dropped: 0,
      retained: 120,
    });
  });

  it('keeps each checkpoint for a day, and one of each hour after that', async () => {
    await using rig = await twoHours();
    await thinNotes(rig.store.db, ORG, rig.clock.now());
    expect((await allNotes(rig.store.db, ORG)).map(({ size }) => size)).toEqual([
      100, 200, 300, 400, 500, 600,
    ]);
    await thinNotes(rig.store.db, ORG, rig.clock.now() + 26 * HOUR);
    expect((await allNotes(rig.store.db, ORG)).map(({ size }) => size)).toEqual([300, 600]);
    expect(await rig.verify()).toMatchObject({ ok: true });
  });
});
