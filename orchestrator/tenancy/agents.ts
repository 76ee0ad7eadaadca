import { type Clock, isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { agentIdSchema, organizationIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import type { Agent } from '../../protocol/rest-fleet.ts';
import { parseSelector, selectorMatches } from '../../protocol/selector.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

type AgentRow = Row<'agents'> & { certificate_expires_at: number | null };

const time = (ms: number | null): string | null => (ms === null ? null : isoTime(Number(ms)));

export const isOnline = (row: Pick<Row<'agents'>, 'connected_at' | 'disconnected_at'>): boolean =>
  row.connected_at !== null && (row.disconnected_at === null || row.disconnected_at < row.connected_at);

function shown(row: AgentRow): Agent {
  return {
    agent_id: agentIdSchema.parse(row.id),
    vm_id: vmIdSchema.parse(row.vm_id),
    organization_id: organizationIdSchema.parse(row.organization_id),
    hostname: row.hostname,
    state: row.state,
    online: isOnline(row),
    version: row.version,
    labels: JSON.parse(row.labels),
    reported_labels: JSON.parse(row.reported_labels),
    facts: row.facts === null ? null : JSON.parse(row.facts),
    load: row.load === null ? null : JSON.parse(row.load),
    tools: JSON.parse(row.tools),
    enrolled_at: isoTime(Number(row.enrolled_at)),
    connected_at: time(row.connected_at),
    last_heartbeat_at: time(row.last_heartbeat_at),
    certificate_expires_at: isoTime(Number(row.certificate_expires_at ?? row.enrolled_at)),
    address: row.address,
  };
}

const selectAgents = (db: Queryable, organizationId: string) =>
  db
    .selectFrom('agents')
    .selectAll('agents')
    .select((eb) =>
      eb
        .selectFrom('certificates')
        .select((c) => c.fn.max('certificates.not_after').as('end'))
        .whereRef('certificates.organization_id', '=', 'agents.organization_id')
        .whereRef('certificates.agent_id', '=', 'agents.id')
        .as('certificate_expires_at'),
    )
    .where('agents.organization_id', '=', organizationId);

/** Rows that are read to fill one page when a selector drops some. */
const BATCH = 500;

export interface Agents {
  list(request: {
    organizationId: string;
    selector: string;
    /** Identifier after which the page begins. */
    after: string | undefined;
    limit: number;
    includeRevoked: boolean;
  }): Promise<{ items: Agent[]; nextAfter: string | null }>;
  /** By agent_id, or by the vm_id of a live one. @throws AppError `not_found` */
  get(organizationId: string, id: string): Promise<Agent>;
  /** Ends an agent: its certificates count no more, its open commands end, its socket is cut. @throws AppError `not_found` */
  revoke(request: EndAgent): Promise<void>;
  /** The same at the agent's own wish: it is being removed from its machine. */
  deregister(request: EndAgent): Promise<void>;
  /** Nobody is connected when the server starts, whatever a crash left behind. */
  markAllOffline(): Promise<void>;
}

interface EndAgent {
  organizationId: string;
  id: string;
  actor: AuditActor;
  address: string | null;
}

/** What other parts do when an agent is revoked. */
export interface RevocationHooks {
  /** Ends its open commands, in the same transaction. */
  endCommands(tx: Tx, organizationId: string, agentId: string): Promise<void>;
  /** After the commit: cuts its socket, and takes it from the lists that people see. */
  revoked(agentId: string, organizationId: string): void;
}

export function createAgents(options: { store: Store; clock: Clock; hooks: RevocationHooks }): Agents {
  const { store, clock, hooks } = options;

  async function find(db: Queryable, organizationId: string, id: string): Promise<AgentRow> {
    const row = await selectAgents(db, organizationId)
      .where((eb) =>
        eb.or([eb('agents.id', '=', id), eb.and([eb('vm_id', '=', id), eb('state', '!=', 'revoked')])]),
      )
      .executeTakeFirst();
    if (row === undefined) throw new AppError('not_found', { detail: `There is no agent ${id} here.` });
    return row;
  }

  async function end({ organizationId, id, actor, address }: EndAgent, action: string): Promise<void> {
    const agentId = await store.transaction(async (tx) => {
      const row = await find(tx, organizationId, id);
      if (row.state === 'revoked') return row.id;
      const now = clock.now();
      await tx
        .updateTable('agents')
        .set({ state: 'revoked' })
        .where('organization_id', '=', organizationId)
        .where('id', '=', row.id)
        .execute();
      await tx
        .updateTable('certificates')
        .set({ revoked_at: now })
        .where('organization_id', '=', organizationId)
        .where('agent_id', '=', row.id)
        .where('revoked_at', 'is', null)
        .execute();
      await hooks.endCommands(tx, organizationId, row.id);
      await record(tx, {
        at: now,
        organizationId,
        action,
        actor,
        address,
        target: row.id,
        detail: { vm_id: row.vm_id },
      });
      return row.id;
    });
    hooks.revoked(agentId, organizationId);
  }

  return {
    async list({ organizationId, selector, after, limit, includeRevoked }) {
      const terms = parseSelector(selector);
      const items: Agent[] = [];
      let from = after ?? '';
      for (;;) {
        let query = selectAgents(store.db, organizationId).where('agents.id', '>', from);
        if (!includeRevoked) query = query.where('state', '!=', 'revoked');
        for (const term of terms) {
          if (term.kind !== 'id') continue;
          query = query.where((eb) => eb.or([eb('agents.id', 'in', term.ids), eb('vm_id', 'in', term.ids)]));
        }
        const rows = await query.orderBy('agents.id').limit(BATCH).execute();
        for (const row of rows) {
          const agent = shown(row);
          if (!selectorMatches(terms, agent)) continue;
          // One more than the page: then there is a next one.
          if (items.length === limit) return { items, nextAfter: items.at(-1)?.agent_id ?? null };
          items.push(agent);
        }
        const last = rows.at(-1);
        if (last === undefined || rows.length < BATCH) return { items, nextAfter: null };
        from = last.id;
      }
    },
    async get(organizationId, id) {
      return shown(await find(store.db, organizationId, id));
    },
    revoke: (request) => end(request, 'agent.revoke'),
    deregister: (request) => end(request, 'agent.deregister'),
    async markAllOffline() {
      await store.db
        .updateTable('agents')
        .set({ disconnected_at: clock.now() })
        .where('connected_at', 'is not', null)
        .where((eb) =>
          eb.or([eb('disconnected_at', 'is', null), eb('disconnected_at', '<', eb.ref('connected_at'))]),
        )
        .execute();
    },
  };
}
