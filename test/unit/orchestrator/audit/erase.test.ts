import { describe, expect, it } from 'vitest';
import { newId } from '../../../../base/random.ts';
import { eraser } from '../../../../orchestrator/audit/erase.ts';
import { commitBy, eventOfRow, saltOf, selectEvents } from '../../../../orchestrator/audit/events.ts';
import { ORG, startLogRig } from './rig.ts';

type Rig = Awaited<ReturnType<typeof startLogRig>>;
const ADMIN = { type: 'user', id: 'usr-9', name: 'root' } as const;
const erase = (rig: Rig, person: string) =>
  eraser(rig)({ log: ORG, organizationId: ORG, person, actor: ADMIN, address: null });
const everything = async (rig: Rig) =>
  JSON.stringify(await rig.store.db.selectFrom('audit_events').selectAll().execute());

describe('[audit-3] an erased person', () => {
  it('is gone from every event, and the log still verifies', async () => {
    await using rig = await startLogRig();
    await rig.fill(5);
    await rig.add(1, {
      actor: { type: 'anonymous', id: 'anonymous', name: 'alice' },
      address: '192.0.2.7',
      detail: {},
    });
    await rig.add(1, {
      actor: { type: 'user', id: 'usr-2', name: 'bob' },
      address: '192.0.2.99',
      detail: { username: 'alice', role: 'admin' },
    });
    await rig.seal();
    expect(await erase(rig, 'usr-1')).toEqual({ events: 7, fields: 13 });
    // The e-mail address is another name, which the log cannot know to be hers.
    expect(await erase(rig, 'alice@example.org')).toEqual({ events: 5, fields: 5 });
    const rest = await everything(rig);
    expect(rest).not.toContain('alice');
    expect(rest).not.toContain('192.0.2.7"');
    expect(rest).toContain('bob');
    expect(rest).toContain('192.0.2.99');
    await rig.seal();
    expect(await rig.verify()).toMatchObject({ ok: true, erased: 7, size: 9 });
  });

  it('is named by the event of the erasure by an identifier or a hash, and by no name', async () => {
    await using rig = await startLogRig();
    const id = newId('usr', rig.clock);
    await rig.store.db
      .insertInto('users')
      .values({ id, username: 'carol', password_hash: '', created_at: 0 })
      .execute();
    const gone = newId('usr', rig.clock);
    for (const person of [id, 'carol', gone, 'carol@example.org']) await erase(rig, person);
    const events = await selectEvents(rig.store.db, ORG)
      .where('action', '=', 'audit.erase')
      .orderBy('id')
      .execute();
    expect(events.map(({ target }) => target)).toEqual([
      id,
      id,
      gone,
      // SHA-256 of the address.
      expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    ]);
    expect(JSON.stringify(events)).not.toContain('carol');
  });

  it('cannot be guessed from what is left: the salts of what was erased are gone', async () => {
    await using rig = await startLogRig();
    await rig.fill(1);
    const [before] = await selectEvents(rig.store.db, ORG).orderBy('id').execute();
    const salts = before?.salts ?? '';
    await erase(rig, 'usr-1');
    const [row] = await selectEvents(rig.store.db, ORG).orderBy('id').execute();
    if (row === undefined) throw new Error('no event');
    const after = eventOfRow(row);
    expect(saltOf(after.salts, 'actor_name')).toBeUndefined();
    expect(saltOf(after.salts, 'detail.email')).toBeDefined();
    expect(row.salts).not.toContain(salts);
    // With the salt of before it would have been seen.
    expect(after.erased['actor_name']).toBe(commitBy(salts)('actor_name', 'alice'));
  });

  it('leaves the others as they are: changing what was not erased is still found', async () => {
    await using rig = await startLogRig();
    await rig.fill(3);
    await erase(rig, 'usr-1');
    rig.tamper(
      `UPDATE audit_events SET detail = json_set(detail, '$.email', 'mallory@example.org') WHERE seq = 2`,
    );
    expect((await rig.verify()).problem).toMatchObject({ kind: 'changed', seq: 2 });
  });

  it('was erased by somebody, which is recorded without saying whom', async () => {
    await using rig = await startLogRig();
    await rig.fill(2);
    await erase(rig, 'usr-1');
    const last = (await selectEvents(rig.store.db, ORG).orderBy('id').execute()).at(-1);
    expect(last).toMatchObject({ action: 'audit.erase', actor_id: 'usr-9' });
    expect(JSON.stringify(last)).not.toContain('usr-1');
  });

  it('may be erased before it is sealed, and twice', async () => {
    await using rig = await startLogRig();
    await rig.add(2);
    await erase(rig, 'usr-1');
    expect(await erase(rig, 'usr-1')).toEqual({ events: 0, fields: 0 });
    await rig.seal();
    expect(await rig.verify()).toMatchObject({ ok: true, erased: 2 });
  });
});
