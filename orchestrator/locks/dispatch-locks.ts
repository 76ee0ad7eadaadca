import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Bus } from '../hub/bus.ts';
import type { Store, Tx } from '../store/store.ts';
import { lockOn } from './match.ts';
import { activeLocks, selectorTargets } from './read.ts';

/** Hints may be lost. */
const REFRESH_MS = 5000;

/** What dispatching asks about locks: whether there are any, from memory, and which, in a transaction. */
export interface DispatchLockView {
  any(organizationId: string): boolean;
  look(
    tx: Tx,
    agent: { organizationId: string; agentId: string },
  ): Promise<{ agent: boolean; command: (job: { tool: string; createdBy: string }) => boolean }>;
  close(): void;
}

const NOTHING = { agent: false, command: () => false };

export function createDispatchLocks(options: {
  store: Store;
  bus: Bus;
  clock: Clock;
  log: Logger;
}): DispatchLockView {
  const { store, bus, clock, log } = options;
  /** Organizations with a lock; undefined until the store was read. */
  let locked: Set<string> | undefined;

  async function refresh(): Promise<void> {
    const rows = await store.db
      .selectFrom('locks')
      .select('organization_id')
      .where((e) => e.or([e('expires_at', 'is', null), e('expires_at', '>', clock.now())]))
      .distinct()
      .execute();
    locked = new Set(rows.map((row) => row.organization_id));
  }

  /** What waited goes, and what must not go any more ends. */
  async function wake(organizationId: string): Promise<void> {
    const rows = await store.db
      .selectFrom('commands')
      .select('agent_id')
      .where('organization_id', '=', organizationId)
      .where('ended_at', 'is', null)
      .where('state', 'in', ['queued', 'sent'])
      .distinct()
      .execute();
    for (const { agent_id } of rows) bus.publish({ topic: 'agent', agent_id, unlocked: true });
  }

  /** Users and tokens that no command may be sent for, and whose tokens belong to them. */
  async function tokensOf(tx: Tx, organizationId: string, users: readonly string[]): Promise<string[]> {
    if (users.length === 0) return [];
    const rows = await tx
      .selectFrom('api_tokens')
      .select('id')
      .where('organization_id', '=', organizationId)
      .where('user_id', 'in', users)
      .execute();
    return rows.map(({ id }) => id);
  }

  const unsubscribe = bus.subscribe((hint) => {
    if (hint.topic !== 'locks') return;
    // Until it is known better.
    locked?.add(hint.organization_id);
    refresh()
      .then(() => wake(hint.organization_id))
      .catch(failed);
  });
  const failed = (cause: unknown) => log.error({ err: cause }, 'locks could not be read');
  const timer = every(clock, REFRESH_MS, () => void refresh().catch(failed));
  void refresh().catch(failed);

  return {
    any: (organizationId) => locked?.has(organizationId) ?? true,
    async look(tx, { organizationId, agentId }) {
      const locks = await activeLocks(tx, organizationId, clock.now());
      if (locks.length === 0) return NOTHING;
      locked?.add(organizationId);
      const target = (await selectorTargets(tx, organizationId, [agentId])).get(agentId);
      const users = locks.filter((lock) => lock.target_type === 'user').map((lock) => lock.target);
      const tokens = new Set(await tokensOf(tx, organizationId, users));
      return {
        agent: lockOn(locks, { agent: target }) !== undefined,
        command: ({ tool, createdBy }) =>
          tokens.has(createdBy) ||
          locks.some(
            (lock) =>
              lock.target_type !== 'organization' && lockOn([lock], { tool, who: [createdBy] }) !== undefined,
          ),
      };
    },
    close() {
      unsubscribe();
      timer.cancel();
    },
  };
}
