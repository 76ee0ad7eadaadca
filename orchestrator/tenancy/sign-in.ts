import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { checkNewPassword, type PasswordCheck } from './passwords.ts';
import { hashPassword } from './secrets.ts';
import type { Sessions, SessionUser } from './sessions.ts';
import type { Throttle } from './throttle.ts';

/** Who may sign in by a password at all. */
export type LocalLogin = 'everyone' | 'without_identity' | 'system_admins';

export interface SignIn {
  /** @throws AppError `login_failed`, `account_disabled`, `rate_limited` */
  byPassword(request: {
    username: string;
    password: string;
    address: string;
    userAgent: string;
    /** Token of the session that the browser had. */
    replaces: string | undefined;
  }): Promise<{ sessionId: string; token: string; user: SessionUser }>;
  /**
   * A user's own. Ends his other sessions; how many.
   * @throws AppError `login_failed`, `password_refused`, `rate_limited`
   */
  changePassword(request: {
    userId: string;
    sessionId: string;
    current: string;
    wanted: string;
    actor: AuditActor;
    address: string;
  }): Promise<number>;
}

export function createSignIn(options: {
  store: Store;
  clock: Clock;
  sessions: Sessions;
  checkPassword: PasswordCheck;
  /** Counts failures of one account from one address. */
  throttle: Throttle;
  /** Counts failures from one address, whatever the account. */
  addressThrottle: Throttle;
  localLogin: LocalLogin;
  changed: () => void;
}): SignIn {
  const { store, clock, sessions, checkPassword, throttle, addressThrottle, localLogin, changed } = options;

  const accountOf = (username: string) =>
    store.db.selectFrom('users').selectAll().where('username', '=', username).executeTakeFirst();

  /** @throws AppError `login_failed`; a failure is counted, and known by the audit log. */
  async function requirePassword(
    row: Row<'users'> | undefined,
    request: { username: string; password: string; address: string },
  ): Promise<Row<'users'>> {
    const keys = [`login:${request.username}:${request.address}`];
    const addressKeys = [`login:${request.address}`];
    const check = () => {
      throttle.check(keys);
      addressThrottle.check(addressKeys);
    };
    check();
    const right = await checkPassword(request.password, row?.password_hash, check);
    if (right && row !== undefined) {
      throttle.succeeded(keys);
      return row;
    }
    throttle.failed(keys);
    addressThrottle.failed(addressKeys);
    await record(store.db, {
      at: clock.now(),
      organizationId: null,
      action: 'session.login_failed',
      actor: { type: 'anonymous', id: 'anonymous', name: request.username },
      address: request.address,
    });
    throw new AppError('login_failed');
  }

  /** Said only to who knows the password. */
  async function requireLocalLogin(row: Row<'users'>): Promise<void> {
    if (row.disabled_at !== null)
      throw new AppError('account_disabled', {
        detail: 'This account is disabled.',
        hint: 'An administrator of the orchestrator can enable it.',
      });
    if (localLogin === 'everyone' || row.system_admin === 1) return;
    const identity = await store.db
      .selectFrom('user_identities')
      .select('issuer')
      .where('user_id', '=', row.id)
      .executeTakeFirst();
    if (localLogin === 'without_identity' && identity === undefined) return;
    throw new AppError('account_disabled', {
      detail: 'This account signs in by the OpenID Connect provider alone.',
      hint: 'Use the button below the form.',
    });
  }

  return {
    async byPassword({ username, password, address, userAgent, replaces }) {
      const row = await requirePassword(await accountOf(username), { username, password, address });
      await requireLocalLogin(row);
      const made = await store.transaction(async (tx) => {
        const begun = await sessions.begin(tx, {
          userId: row.id,
          method: 'password',
          address,
          userAgent,
          replaces,
        });
        await record(tx, {
          at: clock.now(),
          organizationId: null,
          action: 'session.login',
          actor: { type: 'user', id: row.id, name: username },
          address,
          target: begun.id,
          detail: { method: 'password' },
        });
        return begun;
      });
      return { sessionId: made.id, token: made.token, user: await sessions.userOf(store.db, row) };
    },
    async changePassword({ userId, sessionId, current, wanted, actor, address }) {
      const row = await store.db
        .selectFrom('users')
        .selectAll()
        .where('id', '=', userId)
        .executeTakeFirstOrThrow();
      await requirePassword(row, { username: row.username, password: current, address });
      checkNewPassword(wanted, row.username);
      const hash = await hashPassword(wanted.normalize('NFC'));
      const ended = await store.transaction(async (tx) => {
        await tx.updateTable('users').set({ password_hash: hash }).where('id', '=', userId).execute();
        const count = await sessions.endAll(tx, userId, sessionId);
        await sessions.rotateSoon(tx, userId);
        await record(tx, {
          at: clock.now(),
          organizationId: null,
          action: 'user.password_change',
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
  };
}
