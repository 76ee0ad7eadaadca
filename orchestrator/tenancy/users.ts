import type { z } from 'zod';
import { type Clock, isoTime } from '../../base/clock.ts';
import { newId, randomText } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { organizationIdSchema, userIdSchema } from '../../protocol/ids.ts';
import type {
  CreateUserResponse,
  changeUserRequestSchema,
  createUserRequestSchema,
  User,
} from '../../protocol/rest-users.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { checkNewPassword } from './passwords.ts';
import { hashPassword, NO_PASSWORD } from './secrets.ts';
import type { Sessions } from './sessions.ts';

interface By {
  actor: AuditActor;
  address: string | null;
}

/** The people of the whole orchestrator, for its administrators. */
export interface Users {
  list(request: {
    after: string | undefined;
    limit: number;
  }): Promise<{ items: User[]; nextAfter: string | null }>;
  /** @throws AppError `not_found` */
  get(id: string): Promise<User>;
  /** @throws AppError `conflict`, `not_found`, `password_refused` */
  create(request: By & { wanted: z.output<typeof createUserRequestSchema> }): Promise<CreateUserResponse>;
  /** @throws AppError `not_found`, `conflict` */
  change(request: By & { id: string; wanted: z.output<typeof changeUserRequestSchema> }): Promise<User>;
  /** Ends his sessions. @throws AppError `not_found`, `password_refused` */
  resetPassword(
    request: By & { id: string; password: string | undefined },
  ): Promise<{ password: string | null; sessions_ended: number }>;
}

async function shown(db: Queryable, row: Row<'users'>): Promise<User> {
  const organizations = await db
    .selectFrom('memberships')
    .innerJoin('organizations', 'organizations.id', 'memberships.organization_id')
    .select(['memberships.organization_id', 'organizations.name', 'memberships.role', 'memberships.source'])
    .where('memberships.user_id', '=', row.id)
    .where('organizations.deleted_at', 'is', null)
    .orderBy('organizations.name')
    .execute();
  const identities = await db
    .selectFrom('user_identities')
    .select('issuer')
    .where('user_id', '=', row.id)
    .execute();
  return {
    id: userIdSchema.parse(row.id),
    username: row.username,
    display_name: row.display_name,
    system_admin: row.system_admin === 1,
    disabled: row.disabled_at !== null,
    password: row.password_hash !== NO_PASSWORD,
    issuers: identities.map(({ issuer }) => issuer),
    created_at: isoTime(Number(row.created_at)),
    last_login_at: row.last_login_at === null ? null : isoTime(Number(row.last_login_at)),
    organizations: organizations.map(({ organization_id, name, role, source }) => ({
      id: organizationIdSchema.parse(organization_id),
      name,
      role,
      source,
    })),
  };
}

export function createUsers(options: {
  store: Store;
  clock: Clock;
  sessions: Sessions;
  changed: () => void;
}): Users {
  const { store, clock, sessions, changed } = options;

  async function find(db: Queryable, id: string): Promise<Row<'users'>> {
    const row = await db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
    if (row) return row;
    throw new AppError('not_found', { detail: `There is no user ${id}.` });
  }

  async function requireOtherSystemAdmin(tx: Tx, id: string): Promise<void> {
    const other = await tx
      .selectFrom('users')
      .select('id')
      .where('system_admin', '=', 1)
      .where('disabled_at', 'is', null)
      .where('id', '!=', id)
      .executeTakeFirst();
    if (other) return;
    throw new AppError('conflict', {
      detail: 'This is the last administrator of the orchestrator who may sign in.',
      hint: 'Make another user one first: vm-orchestrator users change NAME --system-admin.',
    });
  }

  const audit = (tx: Tx, by: By, action: string, target: string, detail: Record<string, unknown>) =>
    record(tx, {
      at: clock.now(),
      organizationId: null,
      action,
      actor: by.actor,
      address: by.address,
      target,
      detail,
    });

  async function addTo(
    tx: Tx,
    by: By,
    userId: string,
    username: string,
    wanted: { organization: string; role: Row<'memberships'>['role'] },
  ) {
    const organization = await tx
      .selectFrom('organizations')
      .select('id')
      .where((eb) => eb.or([eb('id', '=', wanted.organization), eb('name', '=', wanted.organization)]))
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    if (organization === undefined)
      throw new AppError('not_found', { detail: `There is no organization ${wanted.organization}.` });
    await tx
      .insertInto('memberships')
      .values({ organization_id: organization.id, user_id: userId, role: wanted.role })
      .execute();
    await record(tx, {
      at: clock.now(),
      organizationId: organization.id,
      action: 'member.add',
      actor: by.actor,
      address: by.address,
      target: userId,
      detail: { username, role: wanted.role },
    });
  }

  return {
    async list({ after, limit }) {
      const rows = await store.db
        .selectFrom('users')
        .selectAll()
        .where('id', '>', after ?? '')
        .orderBy('id')
        .limit(limit + 1)
        .execute();
      const page = rows.slice(0, limit);
      const items = await Promise.all(page.map((row) => shown(store.db, row)));
      return { items, nextAfter: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
    },
    get: async (id) => shown(store.db, await find(store.db, id)),
    async create({ wanted, ...by }) {
      const { username } = wanted;
      if (wanted.password !== undefined) checkNewPassword(wanted.password, username);
      const made = wanted.password === undefined ? randomText(24) : undefined;
      const hash = await hashPassword((wanted.password ?? made ?? '').normalize('NFC'));
      const id = newId('usr', clock);
      const user = await store.transaction(async (tx) => {
        const taken = await tx
          .selectFrom('users')
          .select('id')
          .where('username', '=', username)
          .executeTakeFirst();
        if (taken) throw new AppError('conflict', { detail: `There is a user ${username} already.` });
        await tx
          .insertInto('users')
          .values({
            id,
            username,
            password_hash: hash,
            display_name: wanted.display_name,
            system_admin: wanted.system_admin ? 1 : 0,
            created_at: clock.now(),
          })
          .execute();
        await audit(tx, by, 'user.create', id, { username, system_admin: wanted.system_admin });
        for (const one of wanted.organizations) await addTo(tx, by, id, username, one);
        return shown(tx, await find(tx, id));
      });
      return { ...user, ...(made === undefined ? {} : { initial_password: made }) };
    },
    async change({ id, wanted, ...by }) {
      const user = await store.transaction(async (tx) => {
        const row = await find(tx, id);
        const { disabled, system_admin, display_name } = wanted;
        if (row.system_admin === 1 && (disabled === true || system_admin === false))
          await requireOtherSystemAdmin(tx, id);
        await tx
          .updateTable('users')
          .set({
            display_name: display_name ?? row.display_name,
            disabled_at:
              disabled === undefined ? row.disabled_at : disabled ? (row.disabled_at ?? clock.now()) : null,
            system_admin: system_admin === undefined ? row.system_admin : system_admin ? 1 : 0,
          })
          .where('id', '=', id)
          .execute();
        const loses =
          disabled === true || (system_admin !== undefined && system_admin !== (row.system_admin === 1));
        if (loses) await sessions.endAll(tx, id);
        await audit(tx, by, 'user.change', id, { username: row.username, ...wanted });
        return shown(tx, await find(tx, id));
      });
      changed();
      return user;
    },
    async resetPassword({ id, password, ...by }) {
      const { username } = await find(store.db, id);
      if (password !== undefined) checkNewPassword(password, username);
      const made = password === undefined ? randomText(24) : null;
      const hash = await hashPassword((password ?? made ?? '').normalize('NFC'));
      const ended = await store.transaction(async (tx) => {
        await tx.updateTable('users').set({ password_hash: hash }).where('id', '=', id).execute();
        const count = await sessions.endAll(tx, id);
        await audit(tx, by, 'user.password_reset', id, { username, sessions_ended: count });
        return count;
      });
      changed();
      return { password: made, sessions_ended: ended };
    },
  };
}
