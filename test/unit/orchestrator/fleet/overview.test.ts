import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../../base/logger.ts';
import { openAuthority } from '../../../../orchestrator/ca/authority.ts';
import { newRoot } from '../../../../orchestrator/ca/roots.ts';
import type { ShownCertificate } from '../../../../orchestrator/ca/shown-certificates.ts';
import { createOverview } from '../../../../orchestrator/fleet/overview.ts';
import { createSealer } from '../../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../../orchestrator/store/store.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const DAY = 86_400_000;

async function startOverview(shown: readonly ShownCertificate[] = []) {
  const home = await createTempHome();
  const store = await openStore(home.join('store.db'));
  const clock = createFakeClock();
  const maker = { store, sealer: createSealer(randomBytes(32)), clock, log: silentLogger };
  const { trustDomain } = await openAuthority(maker);
  const overview = createOverview({ store, clock, shown: () => shown });
  return {
    clock,
    expiring: async () => (await overview.read('org-1', () => true)).expiring,
    async addRoot(state: 'retired' | 'next') {
      const { row } = await newRoot({ ...maker, trustDomain }, state, undefined);
      await store.db.insertInto('certificate_authorities').values(row).execute();
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await home.remove();
    },
  };
}

it('names the certificates that the orchestrator shows when nobody renewed them', async () => {
  const { now } = createFakeClock();
  const ends = (kind: ShownCertificate['kind'], days: number): ShownCertificate => ({
    kind,
    notBeforeMs: now() - 60 * DAY,
    notAfterMs: now() + days * DAY,
    renewsAtMs: null,
  });
  await using late = await startOverview([ends('given', 3), ends('own', 10)]);
  expect(await late.expiring()).toMatchObject([
    { kind: 'server_certificate', id: 'given', name: 'what browsers see (--tls-cert)' },
    { kind: 'server_certificate', id: 'own', name: 'what agents see' },
  ]);
  await using well = await startOverview([ends('given', 40), ends('own', 60)]);
  expect(await well.expiring()).toEqual([]);
});

it('names a root that signs and ends within a year, whatever others there are', async () => {
  await using world = await startOverview();
  await world.clock.advance(9.5 * 365 * DAY);
  await world.addRoot('next');
  await world.addRoot('retired');
  const roots = (await world.expiring()).filter(({ id }) => id === 'root');
  expect(roots).toMatchObject([{ kind: 'authority', name: 'root of all certificates' }]);
});
