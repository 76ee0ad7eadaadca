import type { Clock } from '../../base/clock.ts';
import { randomText } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Role } from '../../protocol/roles.ts';
import { record } from '../audit/audit.ts';
import type { Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { hashToken, verifyPassword } from './secrets.ts';
import type { Throttle } from './throttle.ts';

/** A dashboard session lasts this long, however much it is used (s). */
export const SESSION_LIFE_S = 12 * 3600;

export interface SessionUser {
  id: string;
  username: string;
  systemAdmin: boolean;
  /** By organization. */
  roles: ReadonlyMap<string, Role>;
}

type UserRow = Pick<Row<'users'>, 'id' | 'username' | 'system_admin'>;

export interface Users {
  /** @throws AppError `login_failed`, `rate_limited` */
  login(request: {
    username: string;
    password: string;
    address: string;
  }): Promise<{ token: string; user: SessionUser }>;
  logout(token: string, address: string): Promise<void>;
  findSession(token: string): Promise<SessionUser | undefined>;
}

export function createUsers(options: { store: Store; clock: Clock; throttle: Throttle }): Users {
  const { store, clock, throttle } = options;
  // A password check costs 32 MiB for a fifth of a second: one at a time.
  let turn: Promise<unknown> = Promise.resolve();

  async function sessionUser({ id, username, system_admin }: UserRow): Promise<SessionUser> {
    const rows = await store.db
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

  return {
    async login({ username, password, address }) {
      const keys = [`login:${username}:${address}`];
      throttle.check(keys);
      const row = await store.db
        .selectFrom('users')
        .selectAll()
        .where('username', '=', username)
        .executeTakeFirst();
      const check = turn.then(() => {
        throttle.check(keys);
        return verifyPassword(password, row?.password_hash);
      });
      turn = check.catch(() => undefined);
      const right = await check;
      if (!right || row === undefined) {
        throttle.failed(keys);
        await record(store.db, {
          at: clock.now(),
          organizationId: null,
          action: 'session.login_failed',
          actor: { type: 'anonymous', id: 'anonymous', name: username },
          address,
        });
        throw new AppError('login_failed');
      }
      throttle.succeeded(keys);
      const token = randomText(43);
      const now = clock.now();
      await store.transaction(async (tx) => {
        await tx.deleteFrom('web_sessions').where('expires_at', '<=', now).execute();
        await tx
          .insertInto('web_sessions')
          .values({
            token_hash: hashToken(token),
            user_id: row.id,
            created_at: now,
            expires_at: now + SESSION_LIFE_S * 1000,
          })
          .execute();
        await record(tx, {
          at: now,
          organizationId: null,
          action: 'session.login',
          actor: { type: 'user', id: row.id, name: username },
          address,
        });
      });
      return { token, user: await sessionUser(row) };
    },
    async logout(token, address) {
      const hash = hashToken(token);
      await store.transaction(async (tx) => {
        const row = await tx
          .selectFrom('web_sessions')
          .innerJoin('users', 'users.id', 'web_sessions.user_id')
          .select(['users.id', 'users.username'])
          .where('token_hash', '=', hash)
          .executeTakeFirst();
        if (row === undefined) return;
        await tx.deleteFrom('web_sessions').where('token_hash', '=', hash).execute();
        await record(tx, {
          at: clock.now(),
          organizationId: null,
          action: 'session.logout',
          actor: { type: 'user', id: row.id, name: row.username },
          address,
        });
      });
    },
    async findSession(token) {
      const row = await store.db
        .selectFrom('web_sessions')
        .innerJoin('users', 'users.id', 'web_sessions.user_id')
        .select(['users.id', 'users.username', 'users.system_admin'])
        .where('token_hash', '=', hashToken(token))
        .where('expires_at', '>', clock.now())
        .executeTakeFirst();
      return row && sessionUser(row);
    },
  };
}
