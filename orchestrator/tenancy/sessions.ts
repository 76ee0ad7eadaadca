import { type Clock, isoTime } from '../../base/clock.ts';
import { newId, randomText } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { sessionIdSchema } from '../../protocol/ids.ts';
import type { WebSession } from '../../protocol/rest-users.ts';
import type { Role } from '../../protocol/roles.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import { cutPage, type Page, type PageRequest } from '../store/page.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { hashToken } from './secrets.ts';

/** How long a dashboard session lasts (s). */
export interface SessionLimits {
  /** Without a request. */
  idle_s: number;
  /** However much it is used. */
  lifetime_s: number;
}

/** A used session gets a new token this often; a stolen one is found out by the second of the two who use it. */
const ROTATE_EVERY_MS = 30 * 60_000;
/** Requests that were under way with the token before still count, this long after the new one was first used. */
const PREVIOUS_COUNTS_MS = 60_000;
/** Requests that crossed the new token on its way are not told of yet another one. */
const ROTATION_ARRIVES_MS = 10_000;
const SEEN_EVERY_MS = 60_000;

export interface SessionUser {
  id: string;
  username: string;
  systemAdmin: boolean;
  /** By organization. */
  roles: ReadonlyMap<string, Role>;
}

export interface FoundSession {
  id: string;
  user: SessionUser;
  /** Goes to the browser instead of the one that it sent. */
  newToken?: string;
}

type SessionRow = Row<'web_sessions'>;

interface EndSession {
  userId: string;
  id: string;
  actor: AuditActor;
  address: string | null;
}

export interface Sessions {
  readonly limits: SessionLimits;
  /** In the transaction of the login. `replaces`: the session that the browser had before; it ends. */
  begin(
    tx: Queryable,
    request: {
      userId: string;
      method: SessionRow['method'];
      address: string;
      userAgent: string;
      replaces: string | undefined;
    },
  ): Promise<{ id: string; token: string }>;
  /** Counts as use. `mayRotate`: the browser can be told of a new token. */
  find(token: string, options: { mayRotate: boolean }): Promise<FoundSession | undefined>;
  /** For who holds a connection open: whether it still counts. Is no use of it. */
  byId(id: string): Promise<SessionUser | undefined>;
  list(userId: string, current: string | undefined, page: PageRequest): Promise<Page<WebSession>>;
  /** @throws AppError `not_found` */
  end(request: EndSession): Promise<void>;
  /** All of the user's but this one; how many. */
  endOthers(request: EndSession): Promise<number>;
  /** All of a user's, or all but one; how many they were. Call `changed` after the commit. */
  endAll(tx: Queryable, userId: string, except?: string): Promise<number>;
  /** A new token at the next request, for who may more than before. */
  rotateSoon(tx: Queryable, userId: string): Promise<void>;
  userOf(db: Queryable, user: Pick<Row<'users'>, 'id' | 'username' | 'system_admin'>): Promise<SessionUser>;
}

export function createSessions(options: {
  store: Store;
  clock: Clock;
  limits: SessionLimits;
  /** After the commit: what is open in a session is looked at again. */
  changed: () => void;
}): Sessions {
  const { store, clock, limits, changed } = options;

  async function userOf(
    db: Queryable,
    { id, username, system_admin }: Pick<Row<'users'>, 'id' | 'username' | 'system_admin'>,
  ): Promise<SessionUser> {
    const rows = await db
      .selectFrom('memberships')
      .select(['organization_id', 'role'])
      .where('user_id', '=', id)
      .execute();
    return {
      id,
      username,
      systemAdmin: system_admin === 1,
      roles: new Map(rows.map((row) => [row.organization_id, row.role])),
    };
  }

  const live = (db: Queryable) =>
    db
      .selectFrom('web_sessions')
      .innerJoin('users', 'users.id', 'web_sessions.user_id')
      .selectAll('web_sessions')
      .select(['users.username', 'users.system_admin'])
      .where('users.disabled_at', 'is', null)
      .where('web_sessions.expires_at', '>', clock.now())
      .where('web_sessions.last_seen_at', '>', clock.now() - limits.idle_s * 1000);

  const remove = (db: Queryable, id: string) => db.deleteFrom('web_sessions').where('id', '=', id).execute();

  /** The token before the last rotation came again although it had ended: one of the two who have it stole it. */
  async function endStolen(row: SessionRow & { username: string }): Promise<void> {
    await store.transaction(async (tx) => {
      await remove(tx, row.id);
      await record(tx, {
        at: clock.now(),
        organizationId: null,
        action: 'session.token_reused',
        actor: { type: 'user', id: row.user_id, name: row.username },
        target: row.id,
      });
    });
    changed();
  }

  /** What a request does to its session; a new token when it is time for one. */
  async function used(row: SessionRow, isPrevious: boolean, mayRotate: boolean): Promise<string | undefined> {
    const now = clock.now();
    const set: Partial<SessionRow> = {};
    if (now - Number(row.last_seen_at) >= Math.min(SEEN_EVERY_MS, (limits.idle_s * 1000) / 4))
      set.last_seen_at = now;
    if (!isPrevious && row.previous_hash !== null && row.previous_until === null)
      set.previous_until = now + PREVIOUS_COUNTS_MS;
    const age = now - Number(row.rotated_at);
    // The answer that carried the new token was lost when the old one keeps coming: another is made.
    const lost = isPrevious && row.previous_until === null && age >= ROTATION_ARRIVES_MS;
    const due = isPrevious ? lost : age >= ROTATE_EVERY_MS;
    let token: string | undefined;
    if (mayRotate && due) {
      token = randomText(43);
      Object.assign(set, { token_hash: hashToken(token), rotated_at: now, last_seen_at: now });
      if (!isPrevious) Object.assign(set, { previous_hash: row.token_hash, previous_until: null });
    }
    if (Object.keys(set).length === 0) return undefined;
    const { numUpdatedRows } = await store.db
      .updateTable('web_sessions')
      .set(set)
      .where('id', '=', row.id)
      // Of two requests at once one rotates; the other goes on with what it has.
      .where('token_hash', '=', row.token_hash)
      .executeTakeFirst();
    return numUpdatedRows === 0n ? undefined : token;
  }

  async function endAll(tx: Queryable, userId: string, except?: string): Promise<number> {
    let query = tx.deleteFrom('web_sessions').where('user_id', '=', userId);
    if (except !== undefined) query = query.where('id', '!=', except);
    return Number((await query.executeTakeFirst()).numDeletedRows);
  }

  return {
    limits,
    userOf,
    endAll,
    async begin(tx, { userId, method, address, userAgent, replaces }) {
      const now = clock.now();
      const [id, token] = [newId('ses', clock), randomText(43)];
      await tx
        .deleteFrom('web_sessions')
        .where((eb) =>
          eb.or([
            eb('expires_at', '<=', now),
            eb('last_seen_at', '<=', now - limits.idle_s * 1000),
            ...(replaces === undefined ? [] : [eb('token_hash', '=', hashToken(replaces))]),
          ]),
        )
        .execute();
      await tx
        .insertInto('web_sessions')
        .values({
          id,
          user_id: userId,
          token_hash: hashToken(token),
          method,
          created_at: now,
          rotated_at: now,
          last_seen_at: now,
          expires_at: now + limits.lifetime_s * 1000,
          address,
          user_agent: userAgent.slice(0, 256),
        })
        .execute();
      await tx.updateTable('users').set({ last_login_at: now }).where('id', '=', userId).execute();
      return { id, token };
    },
    async find(token, { mayRotate }) {
      const hash = hashToken(token);
      const row = await live(store.db)
        .where((eb) => eb.or([eb('token_hash', '=', hash), eb('previous_hash', '=', hash)]))
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const isPrevious = row.token_hash !== hash;
      if (isPrevious && row.previous_until !== null && Number(row.previous_until) <= clock.now()) {
        await endStolen(row);
        return undefined;
      }
      const newToken = await used(row, isPrevious, mayRotate);
      const user = await userOf(store.db, { ...row, id: row.user_id });
      return { id: row.id, user, ...(newToken === undefined ? {} : { newToken }) };
    },
    async byId(id) {
      const row = await live(store.db).where('web_sessions.id', '=', id).executeTakeFirst();
      return row && userOf(store.db, { ...row, id: row.user_id });
    },
    async list(userId, current, { after, limit }) {
      let query = live(store.db).where('user_id', '=', userId);
      if (after !== undefined) query = query.where('web_sessions.id', '<', after);
      const rows = await query
        .orderBy('web_sessions.id', 'desc')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, {
        keyOf: ({ id }) => id,
        show: (row) => ({
          id: sessionIdSchema.parse(row.id),
          current: row.id === current,
          method: row.method,
          created_at: isoTime(Number(row.created_at)),
          last_seen_at: isoTime(Number(row.last_seen_at)),
          expires_at: isoTime(Number(row.expires_at)),
          address: row.address,
          user_agent: row.user_agent,
        }),
      });
    },
    async end({ userId, id, actor, address }) {
      await store.transaction(async (tx) => {
        const row = await tx
          .deleteFrom('web_sessions')
          .where('id', '=', id)
          .where('user_id', '=', userId)
          .executeTakeFirst();
        if (row.numDeletedRows === 0n)
          throw new AppError('not_found', { detail: `You have no session ${id}.` });
        await record(tx, {
          at: clock.now(),
          organizationId: null,
          action: 'session.logout',
          actor,
          address,
          target: id,
        });
      });
      changed();
    },
    async endOthers({ userId, id, actor, address }) {
      const ended = await store.transaction(async (tx) => {
        const count = await endAll(tx, userId, id);
        await record(tx, {
          at: clock.now(),
          organizationId: null,
          action: 'session.end_others',
          actor,
          address,
          target: userId,
          detail: { sessions_ended: count },
        });
        return count;
      });
      changed();
      return ended;
    },
    async rotateSoon(tx, userId) {
      await tx.updateTable('web_sessions').set({ rotated_at: 0 }).where('user_id', '=', userId).execute();
    },
  };
}
