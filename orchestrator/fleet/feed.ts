import type { Clock } from '../../base/clock.ts';
import type { AgentId } from '../../protocol/ids.ts';
import type { FleetEvent } from '../../protocol/rest-overview.ts';
import type { Bus, Hint } from '../hub/bus.ts';
import type { Store } from '../store/store.ts';
import { readLoads, readSome } from './machines.ts';

/** Changes are gathered for this long: each row is read once for all who watch. */
const GATHER_MS = 700;
/** More changed machines at once than this are not told one by one. */
const MAX_CHANGED = 2000;
/** Events that wait for one slow reader; with more he reads everything anew. */
const MAX_WAITING = 32;
/** Identifiers in one query. */
const BATCH = 500;

/** What changes in an organization's fleet, for the pages that are open. */
export interface FleetFeed {
  /** `quiet` when nothing happened for `quietMs`. Ends when the signal comes. */
  follow(options: {
    organizationId: string;
    quietMs: number;
    signal: AbortSignal;
  }): AsyncGenerator<FleetEvent | 'quiet', void, void>;
  close(): void;
}

interface Reader {
  push(event: FleetEvent): void;
}

interface Watched {
  readers: Set<Reader>;
  agents: Set<string>;
  loads: Set<string>;
  jobs: boolean;
  gathering: boolean;
}

export function createFleetFeed(options: { store: Pick<Store, 'db'>; bus: Bus; clock: Clock }): FleetFeed {
  const { store, bus, clock } = options;
  const organizations = new Map<string, Watched>();

  const unsubscribe = bus.subscribe((hint: Hint) => {
    if (hint.topic !== 'fleet' && hint.topic !== 'job') return;
    const watched = organizations.get(hint.organization_id);
    if (watched === undefined) return;
    if (hint.topic === 'job') watched.jobs = true;
    else for (const id of hint.agent_ids) (hint.what === 'load' ? watched.loads : watched.agents).add(id);
    if (watched.gathering) return;
    watched.gathering = true;
    clock.setTimer(GATHER_MS, () => void tell(hint.organization_id, watched), { background: true });
  });

  async function tell(organizationId: string, watched: Watched): Promise<void> {
    const { agents, loads, jobs } = watched;
    Object.assign(watched, { agents: new Set(), loads: new Set(), jobs: false, gathering: false });
    const events: FleetEvent[] = [];
    try {
      if (agents.size > MAX_CHANGED) events.push({ type: 'reload' });
      else events.push(...(await changed(organizationId, [...agents])));
      // A machine that was read whole says its load as well.
      events.push(
        ...(await loaded(
          organizationId,
          [...loads].filter((id) => !agents.has(id)),
        )),
      );
    } catch {
      // The store will be read again: by a page that reads everything.
      events.push({ type: 'reload' });
    }
    if (jobs) events.push({ type: 'changed', what: ['jobs'] });
    for (const reader of watched.readers) for (const event of events) reader.push(event);
  }

  async function changed(organizationId: string, ids: readonly string[]): Promise<FleetEvent[]> {
    const events: FleetEvent[] = [];
    for (let at = 0; at < ids.length; at += BATCH) {
      const part = ids.slice(at, at + BATCH);
      const items = await readSome(store.db, organizationId, part, clock.now());
      if (items.length > 0) events.push({ type: 'agents', items });
      const listed = new Set<string>(items.map(({ agent_id }) => agent_id));
      const gone = part.filter((id) => !listed.has(id)) as AgentId[];
      if (gone.length > 0) events.push({ type: 'gone', agent_ids: gone });
    }
    return events;
  }

  async function loaded(organizationId: string, ids: readonly string[]): Promise<FleetEvent[]> {
    const events: FleetEvent[] = [];
    for (let at = 0; at < ids.length; at += BATCH) {
      const items = await readLoads(store.db, organizationId, ids.slice(at, at + BATCH));
      if (items.length > 0) events.push({ type: 'load', items });
    }
    return events;
  }

  function join(organizationId: string, reader: Reader): () => void {
    const watched = organizations.get(organizationId) ?? {
      readers: new Set(),
      agents: new Set(),
      loads: new Set(),
      jobs: false,
      gathering: false,
    };
    organizations.set(organizationId, watched);
    watched.readers.add(reader);
    return () => {
      watched.readers.delete(reader);
      if (watched.readers.size === 0) organizations.delete(organizationId);
    };
  }

  return {
    async *follow({ organizationId, quietMs, signal }) {
      let waiting: FleetEvent[] = [];
      let wake = () => {};
      const leave = join(organizationId, {
        push(event) {
          waiting = waiting.length >= MAX_WAITING ? [{ type: 'reload' }] : [...waiting, event];
          wake();
        },
      });
      try {
        while (!signal.aborted) {
          const [event, ...rest] = waiting;
          waiting = rest;
          if (event !== undefined) yield event;
          else {
            const rung = new Promise<void>((resolve) => {
              wake = resolve;
            });
            const quiet = new AbortController();
            const either = AbortSignal.any([signal, quiet.signal]);
            const timeout = clock.sleep(quietMs, either).then(
              () => true,
              () => false,
            );
            const silent = await Promise.race([timeout, rung.then(() => false)]);
            quiet.abort();
            if (silent) yield 'quiet';
          }
        }
      } finally {
        leave();
      }
    },
    close() {
      unsubscribe();
      organizations.clear();
    },
  };
}
