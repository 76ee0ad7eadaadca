import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  NONCE_MS,
  openRecoveryNonces,
  type RecoveryNonces,
} from '../../../../orchestrator/registration/recovery-nonces.ts';
import { createSealer } from '../../../../orchestrator/store/sealed.ts';
import { openStore, type Store } from '../../../../orchestrator/store/store.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/fake-clock.ts';

const AGENT = 'agt-01m8fbnsd4f5rqh6107s0eec5s';
const sealer = createSealer(randomBytes(32));
let folder: string;
let store: Store;
let clock: FakeClock;
let nonces: RecoveryNonces;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nonces-'));
  store = await openStore(join(folder, 'store.db'));
  clock = createFakeClock();
  nonces = await openRecoveryNonces({ store, sealer, clock });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const use = (nonce: string) => store.transaction((tx) => nonces.use(tx, 'org-1', nonce));
const kept = async () => (await store.db.selectFrom('recovery_nonces').selectAll().execute()).length;

it('keeps nothing of those that are only asked for', async () => {
  for (let i = 0; i < 1000; i++) nonces.make(AGENT);
  expect(await kept()).toBe(0);
});

it('is good for its agent until it ends, on every process of the store', async () => {
  const { nonce } = nonces.make(AGENT);
  const replica = await openRecoveryNonces({ store, sealer, clock });
  expect([nonces.isGood(AGENT, nonce), replica.isGood(AGENT, nonce)]).toEqual([true, true]);
  expect(nonces.isGood('agt-01m8fbnsd4f5rqh6107s0eec5t', nonce)).toBe(false);
  await clock.advance(NONCE_MS);
  expect(nonces.isGood(AGENT, nonce)).toBe(false);
});

it('counts once, and is forgotten when it would have ended', async () => {
  const { nonce } = nonces.make(AGENT);
  expect([await use(nonce), await use(nonce)]).toEqual([true, false]);
  await clock.advance(NONCE_MS + 1);
  await use(nonces.make(AGENT).nonce);
  expect(await kept()).toBe(1);
});

it('has one spelling, and none that was made up', () => {
  const { nonce } = nonces.make(AGENT);
  const last = nonce.at(-1) ?? '';
  for (const other of [
    '',
    'x',
    `${nonce}=`,
    `${nonce}A`,
    ` ${nonce}`,
    nonce.slice(1),
    `${nonce.slice(0, -1)}${last === 'A' ? 'B' : 'A'}`,
  ])
    expect(nonces.isGood(AGENT, other)).toBe(false);
});
