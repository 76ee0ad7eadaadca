import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { personalFields } from '../../protocol/audit-log.ts';
import { userIdSchema } from '../../protocol/ids.ts';
import type { Store, Tx } from '../store/store.ts';
import { type AuditActor, record } from './audit.ts';
import { commitBy, eventOfRow, type SaltedEvent, saltOf, selectEvents } from './events.ts';

/** Events that are looked through together. */
const PAGE = 500;

export interface Erased {
  events: number;
  fields: number;
}

/** The names by which a log knows a person. */
async function namesOf(tx: Tx, log: string, person: string): Promise<Set<string>> {
  const rows = await selectEvents(tx, log)
    .clearSelect()
    .select('actor_name')
    .distinct()
    .where('actor_id', '=', person)
    .execute();
  return new Set([person, ...rows.map((row) => row.actor_name)].filter((name) => name !== ''));
}

/** A user's identifier says nothing about a person; of what else was given only a hash is kept. */
async function targetOf(tx: Tx, person: string): Promise<string> {
  const user = await tx
    .selectFrom('users')
    .select('id')
    .where((eb) => eb.or([eb('id', '=', person), eb('username', '=', person)]))
    .executeTakeFirst();
  if (user !== undefined) return user.id;
  if (userIdSchema.safeParse(person).success) return person;
  return `sha256:${createHash('sha256').update(person.normalize('NFC')).digest('hex')}`;
}

/** The fields of an event that say who the person is: all of what he did, and his names where others speak of him. */
function fieldsOf(event: SaltedEvent, names: ReadonlySet<string>): [string, string][] {
  const acted = names.has(event.actor_id) || names.has(event.actor_name);
  return personalFields(event).filter(
    ([field, value]) =>
      value !== '' && (names.has(value) || (acted && (field === 'actor_name' || field === 'address'))),
  );
}

async function eraseFields(tx: Tx, event: SaltedEvent, fields: readonly [string, string][]): Promise<void> {
  const commit = commitBy(event.salts);
  const erased = { ...event.erased };
  for (const [field, value] of fields) erased[field] = commit(field, value);
  // The salts of the other fields go on alone: with the one they are made from, what is erased could be guessed.
  const salts: Record<string, string> = {};
  for (const [field] of personalFields(event)) {
    const salt = erased[field] === undefined ? saltOf(event.salts, field) : undefined;
    if (salt !== undefined) salts[field] = salt.toString('hex');
  }
  const gone = new Set(fields.map(([field]) => field));
  const detail = Object.fromEntries(
    Object.entries(event.detail).map(([key, value]) => [key, gone.has(`detail.${key}`) ? null : value]),
  );
  await tx
    .updateTable('audit_events')
    .set({
      ...(gone.has('actor_name') ? { actor_name: '' } : {}),
      ...(gone.has('address') ? { address: null } : {}),
      detail: JSON.stringify(detail),
      salts: JSON.stringify(salts),
      erased: JSON.stringify(erased),
    })
    .where('id', '=', event.id)
    .execute();
}

/**
 * Takes a person out of a log: names and addresses go, with the salts of their commitments, and what was sealed still
 * verifies. That it was done is an event, which says who it was by the identifier alone.
 */
export function eraser(options: { store: Store; clock: Clock }) {
  const { store, clock } = options;
  return (request: {
    log: string;
    organizationId: string | null;
    person: string;
    actor: AuditActor;
    address: string | null;
  }): Promise<Erased> =>
    store.transaction(async (tx) => {
      const names = await namesOf(tx, request.log, request.person);
      const done = { events: 0, fields: 0 };
      for (let last = 0; ; ) {
        const rows = await selectEvents(tx, request.log)
          .where('id', '>', last)
          .orderBy('id')
          .limit(PAGE)
          .execute();
        for (const row of rows) {
          last = Number(row.id);
          const event = eventOfRow(row);
          const fields = fieldsOf(event, names);
          // Without salts there is nothing to commit to yet: the sequencer comes within the second.
          if (fields.length === 0 || event.salts === null) continue;
          await eraseFields(tx, event, fields);
          done.events += 1;
          done.fields += fields.length;
        }
        if (rows.length < PAGE) break;
      }
      await record(tx, {
        at: clock.now(),
        organizationId: request.organizationId,
        action: 'audit.erase',
        actor: request.actor,
        address: request.address,
        target: await targetOf(tx, request.person),
        detail: done,
      });
      return done;
    });
}
