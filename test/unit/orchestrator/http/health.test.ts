import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { healthRoutes } from '../../../../orchestrator/http/routes/health.ts';
import { openStore, type Store } from '../../../../orchestrator/store/store.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

let home: TempHome;
let store: Store;
let closed = false;
beforeEach(async () => {
  home = await createTempHome();
  store = await openStore(home.join('orchestrator.db'));
  closed = false;
});
afterEach(async () => {
  if (!closed) await store.close();
  await home.remove();
});

function ask(of: { stopping?: boolean; brokenMs?: number } = {}): Promise<unknown> {
  const routes = healthRoutes({
    store,
    isStopping: () => of.stopping ?? false,
    auditBrokenMs: () => of.brokenMs ?? 0,
  });
  const route = routes.find(({ path }) => path === '/readyz');
  return Promise.resolve(route?.handler({} as never));
}

describe('/readyz', () => {
  it('is well when nothing is wrong, and for as long as a fault may be one of the moment', async () => {
    expect(await ask()).toMatchObject({ body: '' });
    expect(await ask({ brokenMs: 60_000 })).toMatchObject({ body: '' });
  });

  it('says no once the audit log could not be sealed for over a minute', async () => {
    await expect(ask({ brokenMs: 60_001 })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('audit log'),
    });
  });

  it('says no while the store cannot be written, and while it stops', async () => {
    await expect(ask({ stopping: true })).rejects.toMatchObject({ code: 'unavailable' });
    await store.close();
    closed = true;
    await expect(ask()).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('store'),
    });
  });
});
