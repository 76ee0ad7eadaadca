import { type Clock, isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { userIdSchema } from '../../protocol/ids.ts';
import type { Member } from '../../protocol/rest-users.ts';
import { permissionsOf, type Role } from '../../protocol/roles.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import { cutPage, type Page, type PageRequest } from '../store/page.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import { type Granter, requireGrantable } from './grants.ts';
import type { Sessions } from './sessions.ts';

interface Change {
  organizationId: string;
  granter: Granter & { systemAdmin: boolean };
  actor: AuditActor;
  address: string | null;
}

/** The users of one organization, and their roles in it. */
export interface Members {
  /** By user name. */
  list(organizationId: string, page: PageRequest): Promise<Page<Member>>;
  /** A user who exists already. @throws AppError `not_found`, `conflict`, `forbidden` */
  add(request: Change & { username: string; role: Role }): Promise<Member>;
  /** His sessions end: what he may is decided anew. @throws AppError `not_found`, `conflict`, `forbidden` */
  changeRole(request: Change & { userId: string; role: Role }): Promise<Member>;
  /** @throws AppError `not_found`, `conflict`, `forbidden` */
  remove(request: Change & { userId: string }): Promise<void>;
}

const selectMembers = (db: Queryable, organizationId: string) =>
  db
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(['users.id', 'users.username', 'users.display_name', 'users.disabled_at', 'users.last_login_at'])
    .select(['memberships.role', 'memberships.source'])
    .where('memberships.organization_id', '=', organizationId);

type MemberRow = Awaited<ReturnType<ReturnType<typeof selectMembers>['executeTakeFirstOrThrow']>>;

const shown = (row: MemberRow): Member => ({
  id: userIdSchema.parse(row.id),
  username: row.username,
  display_name: row.display_name,
  role: row.role,
  source: row.source,
  disabled: row.disabled_at !== null,
  last_login_at: row.last_login_at === null ? null : isoTime(Number(row.last_login_at)),
});

export function createMembers(options: {
  store: Store;
  clock: Clock;
  sessions: Sessions;
  changed: () => void;
}): Members {
  const { store, clock, sessions, changed } = options;

  async function find(tx: Tx, organizationId: string, userId: string): Promise<MemberRow> {
    const row = await selectMembers(tx, organizationId).where('users.id', '=', userId).executeTakeFirst();
    if (row) return row;
    throw new AppError('not_found', { detail: `There is no user ${userId} in this organization.` });
  }

  /** An organization that nobody of its own can rule is left so by the system's administrators alone. */
  async function requireOtherAdmin(tx: Tx, change: Change, userId: string): Promise<void> {
    if (change.granter.systemAdmin) return;
    const other = await selectMembers(tx, change.organizationId)
      .where('memberships.role', '=', 'admin')
      .where('users.id', '!=', userId)
      .where('users.disabled_at', 'is', null)
      .executeTakeFirst();
    if (other) return;
    throw new AppError('conflict', {
      detail: 'This is the last admin of the organization.',
      hint: 'Make somebody else an admin first.',
    });
  }

  const audit = (tx: Tx, change: Change, action: string, target: string, detail: Record<string, unknown>) =>
    record(tx, {
      at: clock.now(),
      organizationId: change.organizationId,
      action,
      actor: change.actor,
      address: change.address,
      target,
      detail,
    });

  return {
    async list(organizationId, { after, limit }) {
      const rows = await selectMembers(store.db, organizationId)
        .where('users.username', '>', after ?? '')
        .orderBy('users.username')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, { keyOf: ({ username }) => username, show: shown });
    },
    async add(request) {
      const { organizationId, username, role, granter } = request;
      requireGrantable(granter, permissionsOf(role), `The role ${role}`);
      const member = await store.transaction(async (tx) => {
        const user = await tx
          .selectFrom('users')
          .select('id')
          .where('username', '=', username)
          .executeTakeFirst();
        if (user === undefined)
          throw new AppError('not_found', {
            detail: `There is no user ${username}.`,
            hint: 'An administrator of the whole orchestrator creates users: vm-orchestrator users add NAME --create.',
          });
        const before = await selectMembers(tx, organizationId)
          .where('users.id', '=', user.id)
          .executeTakeFirst();
        if (before)
          throw new AppError('conflict', {
            detail: `${username} is in this organization already, as ${before.role}.`,
            hint: 'Change the role instead: vm-orchestrator users role.',
          });
        await tx
          .insertInto('memberships')
          .values({ organization_id: organizationId, user_id: user.id, role, source: 'local' })
          .execute();
        await sessions.rotateSoon(tx, user.id);
        await audit(tx, request, 'member.add', user.id, { username, role });
        return shown(await find(tx, organizationId, user.id));
      });
      changed();
      return member;
    },
    async changeRole(request) {
      const { organizationId, userId, role, granter } = request;
      requireGrantable(granter, permissionsOf(role), `The role ${role}`);
      const member = await store.transaction(async (tx) => {
        const before = await find(tx, organizationId, userId);
        requireGrantable(granter, permissionsOf(before.role), `${before.username}’s role ${before.role}`);
        if (before.role === 'admin' && role !== 'admin') await requireOtherAdmin(tx, request, userId);
        await tx
          .updateTable('memberships')
          .set({ role, source: 'local' })
          .where('organization_id', '=', organizationId)
          .where('user_id', '=', userId)
          .execute();
        if (before.role !== role) await sessions.endAll(tx, userId);
        await audit(tx, request, 'member.role', userId, {
          username: before.username,
          role,
          before: before.role,
        });
        return shown(await find(tx, organizationId, userId));
      });
      changed();
      return member;
    },
    async remove(request) {
      const { organizationId, userId, granter } = request;
      await store.transaction(async (tx) => {
        const before = await find(tx, organizationId, userId);
        requireGrantable(granter, permissionsOf(before.role), `${before.username}’s role ${before.role}`);
        if (before.role === 'admin') await requireOtherAdmin(tx, request, userId);
        await tx
          .deleteFrom('memberships')
          .where('organization_id', '=', organizationId)
          .where('user_id', '=', userId)
          .execute();
        await sessions.endAll(tx, userId);
        await audit(tx, request, 'member.remove', userId, { username: before.username, role: before.role });
      });
      changed();
    },
  };
}
