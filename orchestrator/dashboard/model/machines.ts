import type { FleetEvent, Machine } from '../../../protocol/rest-overview.ts';

/** A machine and what a filter looks at, made once and not at each key that is pressed. */
export interface Listed {
  machine: Machine;
  text: string;
}

/** The machines of an organization; a new object for each change, so that whoever draws sees that there is one. */
export interface Fleet {
  byId: ReadonlyMap<string, Listed>;
  /** Online first, then by name. */
  sorted: readonly Listed[];
  online: number;
  locked: number;
}

export const EMPTY_FLEET: Fleet = { byId: new Map(), sorted: [], online: 0, locked: 0 };

function listed(machine: Machine): Listed {
  const labels = Object.entries({ ...machine.reported_labels, ...machine.labels }).map(
    ([k, v]) => `${k}=${v}`,
  );
  const { vm_id, agent_id, hostname, os, version, state, online } = machine;
  const words = [
    vm_id,
    agent_id,
    hostname,
    os,
    version ?? '',
    state,
    online ? 'online' : 'offline',
    ...(machine.lock === null ? [] : ['locked']),
    ...labels,
  ];
  return { machine, text: words.join(' ').toLowerCase() };
}

const order = ({ machine: a }: Listed, { machine: b }: Listed): number =>
  Number(b.online) - Number(a.online) || (a.vm_id < b.vm_id ? -1 : Number(a.vm_id > b.vm_id));

function fleetOf(byId: ReadonlyMap<string, Listed>, sorted?: readonly Listed[]): Fleet {
  const all = sorted ?? [...byId.values()].sort(order);
  const count = (test: (machine: Machine) => boolean) => all.filter(({ machine }) => test(machine)).length;
  return {
    byId,
    sorted: all,
    online: count(({ online }) => online),
    locked: count(({ lock }) => lock !== null),
  };
}

export const toFleet = (machines: readonly Machine[]): Fleet =>
  fleetOf(new Map(machines.map((machine) => [machine.agent_id, listed(machine)])));

/** The fleet after an event. `reload` and `changed` say nothing about single machines. */
export function applyFleetEvent(fleet: Fleet, event: FleetEvent): Fleet {
  switch (event.type) {
    case 'agents': {
      const byId = new Map(fleet.byId);
      for (const machine of event.items) byId.set(machine.agent_id, listed(machine));
      return fleetOf(byId);
    }
    case 'gone': {
      const byId = new Map(fleet.byId);
      for (const id of event.agent_ids) byId.delete(id);
      return fleetOf(byId);
    }
    case 'load': {
      // Neither the order nor the text that is searched depends on the load.
      const fresh = new Map(event.items.map((item) => [item.agent_id as string, item]));
      const byId = new Map<string, Listed>();
      const sorted = fleet.sorted.map((each) => {
        const { agent_id: id } = each.machine;
        const item = fresh.get(id);
        const { load, last_heartbeat_at } = item ?? each.machine;
        const next =
          item === undefined
            ? each
            : { text: each.text, machine: { ...each.machine, load, last_heartbeat_at } };
        byId.set(id, next);
        return next;
      });
      return fleetOf(byId, sorted);
    }
    case 'changed':
    case 'reload':
      return fleet;
  }
}

/** A machine matches when each word is found in its names, system, state or labels. */
export function filterFleet(fleet: Fleet, filter: string): readonly Listed[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return fleet.sorted;
  return fleet.sorted.filter(({ text }) => words.every((word) => text.includes(word)));
}
