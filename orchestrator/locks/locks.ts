import type { z } from 'zod';
import { type Clock, every, isoTime } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { lockIdSchema } from '../../protocol/ids.ts';
import type { createLockRequestSchema, Lock } from '../../protocol/rest-locks.ts';
import { type AuditActor, record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Bus } from '../hub/bus.ts';
import { cutPage, type Page, type PageRequest } from '../store/page.ts';
import type { Queryable, Store } from '../store/store.ts';
import { personOf } from '../tenancy/person.ts';
import { lockedMachines } from './affected.ts';
import { type LockRow, lockOn, lockSentence } from './match.ts';
import { activeLocks, selectActive, selectorTargets } from './read.ts';
import { resolveTarget } from './target.ts';

/** Expired ones are found this often; who waits for the end of a lock waits no longer. */
const SWEEP_MS = 5000;

interface Change {
  organizationId: string;
  actor: AuditActor;
  address: string | null;
}

/** Who does what on which machine; what is left out is not asked about. */
export interface LiveQuestion {
  actor?: { type: string; id: string };
  tool?: string;
  agentId?: string;
}

export interface Locks {
  list(organizationId: string, page: PageRequest): Promise<Page<Lock>>;
  /** @throws AppError `not_found`, `bad_request`, `invalid_selector`, `conflict` for a lock on oneself. */
  add(request: Change & { body: z.output<typeof createLockRequestSchema> }): Promise<Lock>;
  /** @throws AppError `not_found` */
  remove(request: Change & { id: string }): Promise<void>;
  /** The lock that stops this now; the one question for submission, dispatch and live sessions. */
  lockedBy(organizationId: string, question: LiveQuestion, db?: Queryable): Promise<LockRow | undefined>;
  /** @throws AppError `locked`, with the reason, when `lockedBy` finds one. */
  refuse(organizationId: string, question: LiveQuestion, db?: Queryable): Promise<void>;
  /**
   * Aborted as soon as a lock stops what goes on, with an AppError `locked` as its reason: for what lives on, such as
   * streams and terminals. It follows until `until` is aborted.
   */
  watch(organizationId: string, question: LiveQuestion, until: AbortSignal): AbortSignal;
  close(): void;
}

const shown = (row: LockRow, name: string): Lock => ({
  id: lockIdSchema.parse(row.id),
  target_type: row.target_type,
  target: row.target,
  target_name: name,
  reason: row.reason,
  created_at: isoTime(Number(row.created_at)),
  created_by: row.created_by,
  expires_at: row.expires_at === null ? null : isoTime(Number(row.expires_at)),
});

export const lockedError = (lock: LockRow): AppError =>
  new AppError('locked', {
    detail: lockSentence(lock),
    hint: `Who has the right locks.write can end it: vm-orchestrator locks remove ${lock.id}`,
    context: { lock_id: lock.id },
  });

export function createLocks(options: { store: Store; bus: Bus; clock: Clock }): Locks {
  const { store, bus, clock } = options;
  function changed(organizationId: string, locks: readonly LockRow[]): void {
    bus.publish({ topic: 'locks', organization_id: organizationId });
    lockedMachines(store.db, organizationId, locks).then(
      (ids) => {
        if (ids.length === 0) return;
        bus.publish({ topic: 'fleet', organization_id: organizationId, agent_ids: ids, what: 'agent' });
      },
      // Lists are read anew from time to time.
      () => undefined,
    );
  }

  async function lockedBy(organizationId: string, question: LiveQuestion, db: Queryable = store.db) {
    const locks = await activeLocks(db, organizationId, clock.now());
    if (locks.length === 0) return undefined;
    const { actor, tool, agentId } = question;
    const who = actor && (await personOf(db, organizationId, actor)).ids;
    const agent =
      agentId === undefined ? undefined : (await selectorTargets(db, organizationId, [agentId])).get(agentId);
    return lockOn(locks, { who, tool, agent });
  }

  /** Ends what has expired, with an event, and wakes who waited for it. */
  async function sweep(): Promise<void> {
    const now = clock.now();
    const ended = await store.db
      .selectFrom('locks')
      .selectAll()
      .where('expires_at', '<=', now)
      .limit(200)
      .execute();
    if (ended.length === 0) return;
    await store.transaction(async (tx) => {
      for (const row of ended) {
        const { numDeletedRows } = await tx
          .deleteFrom('locks')
          .where('organization_id', '=', row.organization_id)
          .where('id', '=', row.id)
          .executeTakeFirst();
        if (numDeletedRows === 0n) continue;
        await record(tx, {
          at: now,
          organizationId: row.organization_id,
          action: 'lock.expire',
          actor: SYSTEM_ACTOR,
          target: row.id,
          detail: { target_type: row.target_type, target: row.target },
        });
      }
    });
    for (const [id, rows] of Map.groupBy(ended, (row) => row.organization_id)) changed(id, rows);
  }
  // What cannot be read now is read five seconds later.
  const timer = every(clock, SWEEP_MS, () => void sweep().catch(() => undefined));

  return {
    lockedBy,
    async list(organizationId, { after, limit }) {
      const rows = await selectActive(store.db, organizationId, clock.now())
        .where('id', '>', after ?? '')
        .limit(limit + 1)
        .execute();
      const page = cutPage(rows, limit, { keyOf: ({ id }) => id, show: (row) => row });
      const items: Lock[] = [];
      for (const row of page.items) {
        const known = await resolveTarget(store.db, organizationId, row.target_type, row.target).catch(
          () => undefined,
        );
        items.push(shown(row, known?.name ?? row.target));
      }
      return { ...page, items };
    },
    async add({ organizationId, actor, address, body }) {
      const now = clock.now();
      const { target_type: type } = body;
      const { id: target, name } = await resolveTarget(store.db, organizationId, type, body.target);
      const self = await personOf(store.db, organizationId, actor);
      if ((type === 'user' || type === 'api_token') && self.ids.includes(target))
        throw new AppError('conflict', {
          detail: 'Nobody locks himself out.',
          hint: 'Another administrator can lock this account or token.',
        });
      const row: LockRow = {
        organization_id: organizationId,
        id: newId('lck', clock),
        target_type: type,
        target,
        reason: body.reason,
        created_at: now,
        created_by: actor.name,
        expires_at: body.expires_in === undefined ? null : now + Math.round(body.expires_in * 1000),
      };
      await store.transaction(async (tx) => {
        await tx.insertInto('locks').values(row).execute();
        await record(tx, {
          at: now,
          organizationId,
          action: 'lock.add',
          actor,
          address,
          target: row.id,
          detail: { target_type: type, target, reason: body.reason, expires_at: row.expires_at },
        });
      });
      changed(organizationId, [row]);
      return shown(row, name);
    },
    async remove({ organizationId, id, actor, address }) {
      const row = await store.transaction(async (tx) => {
        const removed = await tx
          .deleteFrom('locks')
          .where('organization_id', '=', organizationId)
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirst();
        if (removed === undefined)
          throw new AppError('not_found', { detail: `There is no lock ${id} here.` });
        await record(tx, {
          at: clock.now(),
          organizationId,
          action: 'lock.remove',
          actor,
          address,
          target: id,
          detail: { target_type: removed.target_type, target: removed.target, reason: removed.reason },
        });
        return removed;
      });
      changed(organizationId, [row]);
    },
    async refuse(organizationId, question, db) {
      const lock = await lockedBy(organizationId, question, db);
      if (lock !== undefined) throw lockedError(lock);
    },
    watch(organizationId, question, until) {
      const controller = new AbortController();
      const look = () => {
        lockedBy(organizationId, question).then(
          (lock) => lock && controller.abort(lockedError(lock)),
          // Who cannot read the locks lets nothing go on.
          (cause: unknown) => controller.abort(cause),
        );
      };
      const unsubscribe = bus.subscribe((hint) => {
        if (hint.topic === 'locks' && hint.organization_id === organizationId) look();
      });
      // Hints may be lost.
      const again = every(clock, SWEEP_MS, look);
      const stop = () => {
        unsubscribe();
        again.cancel();
      };
      until.addEventListener('abort', stop, { once: true });
      controller.signal.addEventListener('abort', stop, { once: true });
      if (until.aborted) stop();
      else look();
      return controller.signal;
    },
    close: () => timer.cancel(),
  };
}
