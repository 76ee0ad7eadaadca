import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import type { RevokedCertificate } from '../../protocol/rest-certificates.ts';
import type { Agent, ChangeAgentRequest } from '../../protocol/rest-fleet.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import { changeAgent } from './agent-change.ts';
import { type AgentRow, selectAgents, shown } from './agent-rows.ts';
import { type AgentSearch, searchAgents } from './agent-search.ts';
import { revokeCertificate } from './revoke-certificate.ts';

export interface Agents {
  list(search: AgentSearch): Promise<{ items: Agent[]; nextAfter: string | null }>;
  /** By agent_id, or by the vm_id of a live one. @throws AppError `not_found` */
  get(organizationId: string, id: string): Promise<Agent>;
  /** What an operator grants: labels, and whether it may connect. @throws AppError `not_found`, `conflict`, `bad_request` */
  change(request: EndAgent & { changes: ChangeAgentRequest }): Promise<Agent>;
  /** Ends an agent: its certificates count no more, its open commands end, its socket is cut. @throws AppError `not_found` */
  revoke(request: EndAgent): Promise<void>;
  /** Every agent that a selector means, each with an event and a cut of its own. Resolves with their number. */
  revokeAll(request: Omit<EndAgent, 'id'> & { selector: string }): Promise<number>;
  /** Ends one certificate, by fingerprint or serial number; what is connected with it is cut. @throws AppError `not_found` */
  revokeCertificate(request: EndAgent & { reason: string }): Promise<RevokedCertificate>;
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
  /** After the commit: cuts what is connected with this certificate. */
  certificateRevoked?(agentId: string, fingerprint: string): void;
  /** Labels or the state were changed; a quarantined one is cut off until an operator admits it. */
  changed(agentId: string, organizationId: string, quarantined: boolean): void;
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
    list: (search) => searchAgents(store.db, search),
    async get(organizationId, id) {
      return shown(await find(store.db, organizationId, id));
    },
    async change({ organizationId, id, actor, address, changes }) {
      const { agentId, quarantined } = await store.transaction(async (tx) => {
        const row = await find(tx, organizationId, id);
        const by = { at: clock.now(), actor, address };
        return { agentId: row.id, quarantined: await changeAgent(tx, row, changes, by) };
      });
      hooks.changed(agentId, organizationId, quarantined);
      return shown(await find(store.db, organizationId, agentId));
    },
    revoke: (request) => end(request, 'agent.revoke'),
    deregister: (request) => end(request, 'agent.deregister'),
    async revokeAll({ selector, ...request }) {
      const { organizationId } = request;
      for (let count = 0; ; ) {
        const search = { organizationId, selector, after: undefined, limit: 500, includeRevoked: false };
        const { items } = await searchAgents(store.db, search);
        if (items.length === 0) return count;
        for (const { agent_id: id } of items) await end({ ...request, id }, 'agent.revoke');
        count += items.length;
      }
    },
    async revokeCertificate(request) {
      const revoked = await store.transaction((tx) => revokeCertificate(tx, { ...request, at: clock.now() }));
      hooks.certificateRevoked?.(revoked.agent_id, revoked.fingerprint);
      return revoked;
    },
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
