import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createReplays, idempotencyKeyOf } from '../../../../orchestrator/http/replay.ts';
import { createSealer } from '../../../../orchestrator/store/sealed.ts';
import { openStore, type Store } from '../../../../orchestrator/store/store.ts';
import { AppError } from '../../../../protocol/errors.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/fake-clock.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

let home: TempHome;
let store: Store;
let clock: FakeClock;
const sealer = createSealer(randomBytes(32));

beforeEach(async () => {
  home = await createTempHome();
  clock = createFakeClock();
  store = await openStore(home.join('orchestrator.db'));
});
afterEach(async () => {
  await store.close();
  await home.remove();
});

const request = (over: object = {}) => ({
  actor: 'user:usr-1',
  key: 'k1',
  method: 'POST',
  url: '/api/v1/organizations/default/api-tokens',
  body: { name: 'ci' },
  ...over,
});
const start = () => createReplays({ store, sealer, clock });

/** Counts how often it was done; each time the answer is another. */
function act() {
  let done = 0;
  return {
    times: () => done,
    run: async () => ({ status: 201, body: JSON.stringify({ secret: `vmo_${++done}` }) }),
  };
}

describe('a request with an Idempotency-Key', () => {
  it('[rest-2] is done once, and a repeat gets the first answer, also after a restart', async () => {
    const { run, times } = act();
    const first = await start().once(request(), run);
    expect(first).toEqual({ status: 201, body: '{"secret":"vmo_1"}', replayed: false });
    expect(await start().once(request(), run)).toEqual({ ...first, replayed: true });
    expect(times()).toBe(1);
  });

  it('never meets the key of somebody else', async () => {
    const { run, times } = act();
    await start().once(request(), run);
    await start().once(request({ actor: 'user:usr-2' }), run);
    expect(times()).toBe(2);
  });

  it('is refused with another body or at another place', async () => {
    const { run } = act();
    await start().once(request(), run);
    for (const over of [{ body: { name: 'other' } }, { url: '/api/v1/elsewhere' }])
      await expect(start().once(request(over), run)).rejects.toMatchObject({ code: 'idempotency_mismatch' });
  });

  it('is refused while the first one is worked on, and is not done again after a crash', async () => {
    const replays = start();
    const { run, times } = act();
    const gate = Promise.withResolvers<void>();
    const first = replays.once(request(), () => gate.promise.then(run));
    // The row is there once a second store call has seen it.
    await expect.poll(() => store.db.selectFrom('request_replays').selectAll().execute()).toHaveLength(1);
    await expect(replays.once(request(), run)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('still being worked on'),
    });
    await expect(start().once(request(), run)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('stopped while it worked'),
    });
    gate.resolve();
    await first;
    expect(times()).toBe(1);
  });

  it('may be tried again when it was refused', async () => {
    const replays = start();
    const { run } = act();
    const refuse = () => Promise.reject(new AppError('bad_request'));
    await expect(replays.once(request(), refuse)).rejects.toMatchObject({ code: 'bad_request' });
    expect(await replays.once(request(), run)).toMatchObject({ status: 201, replayed: false });
  });

  it('[rest-3] is not done again when it failed and may have been done', async () => {
    const replays = start();
    const { run, times } = act();
    for (const [key, cause] of Object.entries({
      timeout: new AppError('call_timeout'),
      internal: new Error('the disk is full'),
    })) {
      const asked = request({ key });
      await expect(replays.once(asked, () => Promise.reject(cause))).rejects.toBe(cause);
      await expect(replays.once(asked, run)).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('may have been carried out'),
      });
    }
    expect(times()).toBe(0);
    const offline = () => Promise.reject(new AppError('agent_offline'));
    await expect(replays.once(request(), offline)).rejects.toMatchObject({ code: 'agent_offline' });
    expect(await replays.once(request(), run)).toMatchObject({ replayed: false });
  });

  it('keeps no secret in the clear, and nothing after a day', async () => {
    const { run, times } = act();
    await start().once(request(), run);
    const [row] = await store.db.selectFrom('request_replays').selectAll().execute();
    expect(JSON.stringify(row)).not.toContain('vmo_1');
    // Not even a hash of what was asked for, which may be a password.
    expect(row?.request_hash).toMatch(/^v1\./);
    await clock.advance(25 * 3600_000);
    await start().once(request({ body: 'another' }), run);
    expect(times()).toBe(2);
  });

  it('takes a key of visible ASCII, once', () => {
    expect(idempotencyKeyOf(undefined)).toBeUndefined();
    expect(idempotencyKeyOf('a-b_c')).toBe('a-b_c');
    for (const wrong of ['', 'a b', 'ü', 'x'.repeat(256), ['a', 'b']])
      expect(() => idempotencyKeyOf(wrong)).toThrow(AppError);
  });
});
