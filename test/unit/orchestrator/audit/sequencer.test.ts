import { expect, it } from 'vitest';
import { silentLogger } from '../../../../base/logger.ts';
import { record } from '../../../../orchestrator/audit/audit.ts';
import { eventOfRow, listEvents, selectEvents } from '../../../../orchestrator/audit/events.ts';
import { createSequencer } from '../../../../orchestrator/audit/sequencer.ts';
import { OWN_LOG } from '../../../../protocol/audit-log.ts';
import { ORG, startLogRig } from './rig.ts';

type Rig = Awaited<ReturnType<typeof startLogRig>>;
const startSequencer = (rig: Rig, log = silentLogger) =>
  createSequencer({ ...rig.options, store: rig.store, clock: rig.clock, log });
const unsealed = async (rig: Rig) =>
  (await rig.store.db.selectFrom('audit_events').select('id').where('seq', 'is', null).execute()).length;

it('[audit-2] seals every log within a second, each with its own checkpoint', async () => {
  await using rig = await startLogRig();
  const sequencer = startSequencer(rig);
  await rig.clock.advance(10);
  await rig.add(3);
  await rig.add(2, { organizationId: null, action: 'session.login' });
  expect(await unsealed(rig)).toBe(5);
  await rig.clock.advance(1000);
  expect(await unsealed(rig)).toBe(0);
  expect(await rig.verify()).toMatchObject({ ok: true, size: 3 });
  expect(await rig.verify([], OWN_LOG)).toMatchObject({ ok: true, size: 2, log: OWN_LOG });
  await sequencer.close();
});

it('[audit-2] seals in the order of recording, in batches, and what is left when it closes', async () => {
  await using rig = await startLogRig();
  await rig.add(2500);
  const sequencer = startSequencer(rig);
  await sequencer.run();
  await rig.add(1);
  await sequencer.close();
  const rows = await selectEvents(rig.store.db, ORG).orderBy('id').execute();
  expect(rows.map(eventOfRow).map(({ seq }) => seq)).toEqual(Array.from({ length: 2501 }, (_, i) => i + 1));
  expect(await rig.verify()).toMatchObject({ ok: true, size: 2501 });
});

it('[audit-2] two that seal at once make one log', async () => {
  await using rig = await startLogRig();
  await rig.add(1500);
  const [one, two] = [startSequencer(rig), startSequencer(rig)];
  await Promise.all([one.run(), two.run(), rig.add(700)]);
  await Promise.all([one.close(), two.close()]);
  expect(await rig.verify()).toMatchObject({ ok: true, size: 2200, unsealed: 0 });
});

it('seals what was recorded before there was a log', async () => {
  await using rig = await startLogRig();
  await rig.add(3);
  rig.tamper('UPDATE audit_events SET salts = NULL');
  await rig.seal();
  expect(await rig.verify()).toMatchObject({ ok: true, size: 3, checked: 3 });
});

it('[audit-1] signs nothing on top of a log that somebody changed', async () => {
  await using rig = await startLogRig();
  await rig.fill(10);
  const complaints: string[] = [];
  const log = { ...silentLogger, error: (_: unknown, text: string) => complaints.push(text) };
  const sequencer = startSequencer(rig, log as unknown as typeof silentLogger);
  rig.tamper("UPDATE audit_tiles SET hashes = 'AAAA' || substr(hashes, 5)");
  await rig.add(1);
  await sequencer.run();
  expect(await unsealed(rig)).toBe(1);
  expect(complaints).toEqual([expect.stringContaining('changed by somebody else')]);
  await sequencer.close();
});

it('says for how long a log could not be sealed, until it can', async () => {
  await using rig = await startLogRig();
  await rig.fill(10);
  const sequencer = startSequencer(rig);
  const changed = "UPDATE audit_tiles SET hashes = 'AAAA' || substr(hashes, 5)";
  const [before] = await rig.store.db.selectFrom('audit_tiles').select('hashes').execute();
  rig.tamper(changed);
  await sequencer.run();
  expect(sequencer.brokenMs()).toBe(0);
  await rig.add(1);
  await sequencer.run();
  await rig.clock.advance(61_000);
  expect(sequencer.brokenMs()).toBe(61_000);
  await rig.store.db
    .updateTable('audit_tiles')
    .set({ hashes: before?.hashes ?? '' })
    .execute();
  await sequencer.run();
  await sequencer.run();
  expect(sequencer.brokenMs()).toBe(0);
  await sequencer.close();
});

it('lists by action, actor, target and time, page by page', async () => {
  await using rig = await startLogRig();
  await rig.add(3);
  await rig.clock.advance(5000);
  await rig.add(2, {
    action: 'token_x.create',
    target: 'tok-9',
    actor: { type: 'user', id: 'usr-2', name: 'bob' },
  });
  const find = async (filter: object, before?: number) =>
    (await listEvents(rig.store.db, { log: ORG, before, limit: 10, filter })).map((row) => Number(row.id));
  expect(await find({})).toEqual([5, 4, 3, 2, 1]);
  expect(await find({}, 3)).toEqual([2, 1]);
  expect(await find({ action: 'token.' })).toEqual([3, 2, 1]);
  expect(await find({ action: 'token_' })).toEqual([5, 4]);
  expect(await find({ actor: 'bob' })).toEqual([5, 4]);
  expect(await find({ actor: 'usr-1', target: 'tok-1' })).toEqual([2]);
  expect(await find({ since: rig.clock.now() })).toEqual([5, 4]);
  expect(await find({ until: rig.clock.now() })).toEqual([3, 2, 1]);
});

it('keeps recording an insert: what is recorded in a transaction that fails is not there', async () => {
  await using rig = await startLogRig();
  await expect(
    rig.store.transaction(async (tx) => {
      await record(tx, {
        at: 0,
        organizationId: ORG,
        action: 'x.y',
        actor: { type: 'system', id: 'system', name: 'orchestrator' },
      });
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await rig.seal()).toBeUndefined();
});
