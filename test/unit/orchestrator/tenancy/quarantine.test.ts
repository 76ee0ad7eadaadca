import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openStore, type Store } from '../../../../orchestrator/store/store.ts';
import { createAgents } from '../../../../orchestrator/tenancy/agents.ts';
import { quarantine } from '../../../../orchestrator/tenancy/quarantine.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { insertAgent, insertOrganization } from '../../../fakes/store-rows.ts';

const organizationId = 'org-01m8fbnsd4f5rqh6107s0eec5s';
const id = 'agt-01m8fbnsd4f5rqh6107s0eec5s';
const clock = createFakeClock();
const person = { type: 'user' as const, id: 'usr-1', name: 'alice' };
let folder: string;
let store: Store;
let cut: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quarantine-'));
  store = await openStore(join(folder, 'store.db'));
  cut = [];
  await insertOrganization(store.db, organizationId, 'default');
  await insertAgent(store.db, {
    organization_id: organizationId,
    id,
    vm_id: 'vm-web-0a1b2c',
    public_key_hash: 'k',
    token_id: 't',
    api_key_hash: 'h',
  });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const agents = () =>
  createAgents({
    store,
    clock,
    hooks: {
      endCommands: async () => undefined,
      revoked: () => undefined,
      changed: (agentId, _organization, quarantined) => quarantined && cut.push(agentId),
    },
  });
const suspect = (detail: string) =>
  store.transaction((tx) =>
    quarantine(tx, { organizationId, agentId: id, reason: 'rolled_back', detail, at: clock.now() }),
  );
const change = (changes: { state: 'active' | 'quarantined'; reason?: string }) =>
  agents().change({ organizationId, id, actor: person, address: '192.0.2.1', changes });
const events = async () =>
  (await store.db.selectFrom('audit_events').select(['action', 'actor_id', 'detail']).execute()).map(
    ({ detail, ...event }) => ({ ...event, detail: JSON.parse(detail) }),
  );

it('says why, since when and that somebody should look, and keeps the first reason', async () => {
  expect(await suspect('it took 12 commands and says 4')).toBe(true);
  expect(await suspect('again')).toBe(false);
  expect(await agents().get(organizationId, id)).toMatchObject({
    state: 'quarantined',
    quarantine: {
      reason: 'rolled_back',
      detail: 'it took 12 commands and says 4',
      since: new Date(clock.now()).toISOString(),
    },
  });
  expect(await events()).toEqual([
    {
      action: 'agent.quarantine',
      actor_id: 'system',
      detail: {
        vm_id: 'vm-web-0a1b2c',
        from: 'active',
        reason: 'rolled_back',
        detail: 'it took 12 commands and says 4',
        alarm: true,
      },
    },
  ]);
});

it('is the word of whoever asks for it, cuts the agent off, and ends when it is admitted', async () => {
  const held = await change({ state: 'quarantined', reason: 'it scans the network' });
  expect(held.quarantine).toMatchObject({ reason: 'operator', detail: 'it scans the network' });
  expect(cut).toEqual([id]);
  const free = await change({ state: 'active' });
  expect(free).toMatchObject({ state: 'active', quarantine: null });
  const row = await store.db.selectFrom('agents').selectAll().executeTakeFirstOrThrow();
  expect([row.quarantine_reason, row.quarantine_detail, row.quarantined_at]).toEqual([null, null, null]);
  expect((await events()).map(({ action, detail }) => [action, detail['reason']])).toEqual([
    ['agent.quarantine', 'operator'],
    ['agent.admit', 'operator'],
  ]);
});

it('does not touch a revoked agent', async () => {
  await agents().revoke({ organizationId, id, actor: person, address: null });
  await expect(suspect('late')).rejects.toMatchObject({ code: 'conflict' });
});
