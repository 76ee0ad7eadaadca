import { describe, expect, it } from 'vitest';
import { applyFleetEvent, filterFleet, toFleet } from '../../../../orchestrator/dashboard/model/machines.ts';
import type { Machine } from '../../../../protocol/rest-overview.ts';

const machine = (name: string, more: Partial<Machine> = {}): Machine =>
  ({
    agent_id: `agt-${name}`,
    vm_id: `vm-${name}`,
    hostname: name,
    state: 'active',
    online: true,
    version: '1.0.0',
    os: 'Debian',
    arch: 'x64',
    cpus: 2,
    labels: {},
    reported_labels: {},
    load: null,
    last_heartbeat_at: null,
    certificate_expires_at: '2030-01-01T00:00:00.000Z',
    lock: null,
    ...more,
  }) as Machine;

const names = (list: readonly { machine: Machine }[]) => list.map((each) => each.machine.hostname);

describe('the list of machines', () => {
  const fleet = toFleet([
    machine('b', { labels: { env: 'prod' } }),
    machine('a', { online: false }),
    machine('c', { reported_labels: { rack: 'r7' } }),
  ]);

  it('has those that are online first, then goes by name', () => {
    expect(names(fleet.sorted)).toEqual(['b', 'c', 'a']);
    expect(fleet.online).toBe(2);
  });

  it('is filtered by every word, in names, states and labels', () => {
    expect(names(filterFleet(fleet, 'ENV=prod online'))).toEqual(['b']);
    expect(names(filterFleet(fleet, 'offline'))).toEqual(['a']);
    expect(names(filterFleet(fleet, 'rack=r7'))).toEqual(['c']);
    expect(filterFleet(fleet, 'nothing')).toEqual([]);
    expect(filterFleet(fleet, '  ')).toBe(fleet.sorted);
  });

  it('takes what changed, what is new, and what is gone', () => {
    const next = [
      { type: 'agents' as const, items: [machine('a'), machine('d')] },
      { type: 'gone' as const, agent_ids: [machine('b').agent_id] },
    ].reduce(applyFleetEvent, fleet);
    expect(names(next.sorted)).toEqual(['a', 'c', 'd']);
    expect(next.online).toBe(3);
    expect(names(fleet.sorted)).toEqual(['b', 'c', 'a']);
  });

  it('takes a load without a new order, in both of its views', () => {
    const load = { load1: 3, memory_used: 0.5, disk_used: null };
    const { agent_id } = machine('c');
    const next = applyFleetEvent(fleet, {
      type: 'load',
      items: [{ agent_id, load, last_heartbeat_at: '2026-01-01T00:00:00.000Z' }],
    });
    expect(next.byId.get(agent_id)?.machine.load).toEqual(load);
    expect(next.sorted[1]?.machine.load).toEqual(load);
    expect(next.byId.get('agt-b')).toBe(fleet.byId.get('agt-b'));
  });

  it('finds what is locked, and counts it', () => {
    const lock = { id: 'lck-1', target_type: 'agent', reason: 'under investigation', expires_at: null };
    const some = toFleet([machine('a'), machine('b', { lock: lock as Machine['lock'] })]);
    expect(names(filterFleet(some, 'locked'))).toEqual(['b']);
    expect(some.locked).toBe(1);
  });
});
