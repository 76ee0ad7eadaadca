import { isoTime } from '../../base/clock.ts';
import { sha256 } from '../../base/dsse.ts';
import { type Commit, leafText, OWN_LOG, type SealedEvent } from '../../protocol/audit-log.ts';
import { HASH_BYTES, leafHash } from '../../protocol/merkle.ts';
import type { AuditEvent } from '../../protocol/rest-audit.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

/** An event with what its commitments are made from. */
export interface SaltedEvent extends SealedEvent {
  salts: string | null;
}

const BLOCK_BYTES = 64;

/** HMAC-SHA256 (RFC 2104) for keys of at most a block: node:crypto's takes ten times as long to make its key object. */
export function hmac(key: Uint8Array, text: string): Buffer {
  const bytes = Buffer.from(text);
  const inner = Buffer.alloc(BLOCK_BYTES + bytes.length, 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES, 0x5c);
  for (let at = 0; at < key.length; at++) {
    inner[at] = 0x36 ^ (key[at] ?? 0);
    outer[at] = 0x5c ^ (key[at] ?? 0);
  }
  inner.set(bytes, BLOCK_BYTES);
  outer.set(sha256(inner), BLOCK_BYTES);
  return Buffer.from(sha256(outer));
}

/** The salt of one field: made from the event's, or kept by itself since another field was erased. */
export function saltOf(salts: string | null, field: string): Buffer | undefined {
  if (salts === null) return undefined;
  if (!salts.startsWith('{')) return hmac(Buffer.from(salts, 'hex'), field);
  const kept = (JSON.parse(salts) as Record<string, string>)[field];
  return kept === undefined ? undefined : Buffer.from(kept, 'hex');
}

/** Commits by the event's salts. A field without a salt commits to nothing that was ever sealed. */
export const commitBy =
  (salts: string | null): Commit =>
  (field, value) => {
    const salt = saltOf(salts, field);
    return salt === undefined ? 'no salt' : hmac(salt, value).toString('hex');
  };

export const eventLeaf = (log: string, event: SaltedEvent): Uint8Array =>
  leafHash(sha256, Buffer.from(leafText(log, event, commitBy(event.salts))));

export const eventOfRow = (row: Row<'audit_events'>): SaltedEvent => ({
  seq: Number(row.seq ?? 0),
  id: Number(row.id),
  at: Number(row.at),
  action: row.action,
  actor_type: row.actor_type,
  actor_id: row.actor_id,
  actor_name: row.actor_name,
  address: row.address,
  target: row.target,
  detail: JSON.parse(row.detail) as Record<string, unknown>,
  salts: row.salts,
  erased: row.erased === null ? {} : (JSON.parse(row.erased) as Record<string, string>),
});

/** An event as people see it: without salts, which would let what is erased be guessed. */
export function shownEvent(row: Row<'audit_events'>): AuditEvent {
  const { seq, erased, ...event } = eventOfRow(row);
  const fields = Object.keys(erased);
  return {
    id: event.id,
    seq: row.seq === null ? null : seq,
    at: isoTime(event.at),
    action: event.action,
    actor: { type: event.actor_type, id: event.actor_id, name: event.actor_name },
    address: event.address,
    target: event.target,
    detail: event.detail,
    ...(fields.length === 0 ? {} : { erased: fields }),
  };
}

/** The events of a log: an organization's, or the orchestrator's own. */
export function selectEvents(db: Queryable, log: string) {
  const query = db.selectFrom('audit_events').selectAll();
  return log === OWN_LOG
    ? query.where('organization_id', 'is', null)
    : query.where('organization_id', '=', log);
}

export interface EventFilter {
  action?: string | undefined;
  actor?: string | undefined;
  target?: string | undefined;
  /** Milliseconds since the epoch. */
  since?: number | undefined;
  until?: number | undefined;
}

/** A log's events, the newest first; `before` is the id of the last one that was seen. */
export function listEvents(
  db: Queryable,
  options: { log: string; before: number | undefined; limit: number; filter: EventFilter },
): Promise<Row<'audit_events'>[]> {
  const { log, before, limit } = options;
  const { action, actor, target, since, until } = options.filter;
  let query = selectEvents(db, log);
  if (before !== undefined) query = query.where('id', '<', before);
  // A range instead of LIKE: the underscore of an action is no pattern.
  if (action !== undefined)
    query = query.where('action', '>=', action).where('action', '<', `${action}\uffff`);
  if (actor !== undefined)
    query = query.where((eb) => eb.or([eb('actor_id', '=', actor), eb('actor_name', '=', actor)]));
  if (target !== undefined) query = query.where('target', '=', target);
  if (since !== undefined) query = query.where('at', '>=', since);
  if (until !== undefined) query = query.where('at', '<', until);
  return query.orderBy('id', 'desc').limit(limit).execute();
}
