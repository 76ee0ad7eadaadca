import { randomBytes } from 'node:crypto';
import type { Actor } from '../../protocol/command.ts';
import type { Queryable } from '../store/store.ts';

/** Who did it: a person, a token, an agent, or the orchestrator itself. */
export interface AuditActor {
  type: Actor['type'] | 'agent' | 'anonymous';
  id: string;
  name: string;
}

export const SYSTEM_ACTOR: AuditActor & Actor = { type: 'system', id: 'system', name: 'orchestrator' };

export interface AuditEntry {
  /** Milliseconds since the epoch. */
  at: number;
  /** Null: it concerns the orchestrator as a whole. */
  organizationId: string | null;
  /** `<noun>.<verb>`, e.g. `token.create`. */
  action: string;
  actor: AuditActor;
  /** Address of the socket that it came from. */
  address?: string | null;
  /** Identifier of what it was done to. */
  target?: string | null;
  /** Never a secret. Values of username, name, email, address and the like can be erased; see protocol/audit-log.ts. */
  detail?: Record<string, unknown>;
}

const toRow = (entry: AuditEntry) => ({
  organization_id: entry.organizationId,
  at: entry.at,
  action: entry.action,
  actor_type: entry.actor.type,
  actor_id: entry.actor.id,
  actor_name: entry.actor.name,
  address: entry.address ?? null,
  target: entry.target ?? null,
  detail: JSON.stringify(entry.detail ?? {}),
  salts: randomBytes(16).toString('hex'),
});

/** Writes the event in the transaction of what it records: either both are on disk, or neither is. */
export async function record(tx: Queryable, entry: AuditEntry): Promise<void> {
  await tx.insertInto('audit_events').values(toRow(entry)).execute();
}

/** The same for many events, a few hundred in each statement. */
export async function recordAll(tx: Queryable, entries: readonly AuditEntry[]): Promise<void> {
  for (let at = 0; at < entries.length; at += 500) {
    await tx
      .insertInto('audit_events')
      .values(entries.slice(at, at + 500).map(toRow))
      .execute();
  }
}
