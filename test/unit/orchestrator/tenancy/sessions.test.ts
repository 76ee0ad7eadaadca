import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../../../orchestrator/store/store.ts';
import { createSessions, type Sessions } from '../../../../orchestrator/tenancy/sessions.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/fake-clock.ts';

const USER = 'usr-01m8fbnsd4f5rqh6107s0eec5s';
const MINUTE = 60_000;
let folder: string;
let store: Store;
let clock: FakeClock;
let sessions: Sessions;
let changes: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sessions-'));
  store = await openStore(join(folder, 'store.db'));
  clock = createFakeClock();
  changes = 0;
  sessions = createSessions({
    store,
    clock,
    limits: { idle_s: 3600, lifetime_s: 4 * 3600 },
    changed: () => {
      changes += 1;
    },
  });
  await store.db
    .insertInto('users')
    .values({ id: USER, username: 'alice', password_hash: '!', created_at: clock.now() })
    .execute();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const begin = (replaces?: string) =>
  store.transaction((tx) =>
    sessions.begin(tx, {
      userId: USER,
      method: 'password',
      address: '::1',
      userAgent: 'a browser',
      replaces,
    }),
  );
const find = (token: string, mayRotate = true) => sessions.find(token, { mayRotate });

describe('[session-1] a session', () => {
  it('ends when nobody uses it, and not while somebody does', async () => {
    const { token } = await begin();
    for (let n = 0; n < 3; n++) {
      await clock.advance(50 * MINUTE);
      expect(await find(token, false)).toMatchObject({ user: { id: USER, username: 'alice' } });
    }
    await clock.advance(61 * MINUTE);
    expect(await find(token)).toBeUndefined();
  });

  it('ends however much it is used', async () => {
    const { token, id } = await begin();
    for (let n = 0; n < 4; n++) {
      await clock.advance(59 * MINUTE);
      expect(await find(token, false)).toBeDefined();
    }
    await clock.advance(5 * MINUTE);
    expect(await find(token, false)).toBeUndefined();
    expect(await sessions.byId(id)).toBeUndefined();
  });

  it('is not kept alive by a connection that is only open', async () => {
    const { id } = await begin();
    for (let n = 0; n < 4; n++) {
      await clock.advance(16 * MINUTE);
      await sessions.byId(id);
    }
    expect(await sessions.byId(id)).toBeUndefined();
  });

  it('that the browser had before ends with a new login, and no token of it counts', async () => {
    const first = await begin();
    const second = await begin(first.token);
    expect(await find(first.token)).toBeUndefined();
    expect(await find(second.token)).toBeDefined();
  });
});

describe('[session-3] the token of a session', () => {
  it('is renewed after half an hour, where the browser can be told', async () => {
    const { token, id } = await begin();
    await clock.advance(31 * MINUTE);
    expect((await find(token, false))?.newToken).toBeUndefined();
    const next = (await find(token))?.newToken;
    expect(next).toMatch(/^[a-z0-9]{43}$/);
    expect(await find(next ?? '')).toEqual({ id, user: expect.anything() });
  });

  it('still counts for the requests that crossed the new one', async () => {
    const { token } = await begin();
    await clock.advance(31 * MINUTE);
    const [a, b] = await Promise.all([find(token), find(token)]);
    const made = [a?.newToken, b?.newToken].filter((one) => one !== undefined);
    expect(made).toHaveLength(1);
    await find(made[0] ?? '');
    await clock.advance(MINUTE / 2);
    expect(await find(token)).toEqual({ id: a?.id, user: expect.anything() });
  });

  it('is renewed again when the answer with the new one was lost', async () => {
    const { token } = await begin();
    await clock.advance(31 * MINUTE);
    const lost = (await find(token))?.newToken ?? '';
    await clock.advance(MINUTE);
    const next = (await find(token))?.newToken ?? '';
    expect(next).not.toBe('');
    expect(await find(lost)).toBeUndefined();
    expect(await find(next)).toBeDefined();
  });

  it('that comes again when another has long taken its place ends the session for both', async () => {
    const { token } = await begin();
    await clock.advance(31 * MINUTE);
    const next = (await find(token))?.newToken ?? '';
    await find(next);
    await clock.advance(2 * MINUTE);
    expect(await find(token)).toBeUndefined();
    expect(await find(next)).toBeUndefined();
    expect(changes).toBe(1);
    const events = await store.db.selectFrom('audit_events').select('action').execute();
    expect(events.map(({ action }) => action)).toContain('session.token_reused');
  });

  it('is renewed at the next request of who may more than before', async () => {
    const { token } = await begin();
    await store.transaction((tx) => sessions.rotateSoon(tx, USER));
    expect((await find(token))?.newToken).toBeDefined();
  });
});
