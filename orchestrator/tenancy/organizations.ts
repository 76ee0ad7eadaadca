import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { type OrganizationId, organizationIdSchema } from '../../protocol/ids.ts';
import type { Organization } from '../../protocol/rest-fleet.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import { cutPage, type Page, type PageRequest } from '../store/page.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

export const DEFAULT_ORGANIZATION = 'default';

/** What other parts keep for each organization, made before the transaction and stored inside it. */
export type PrepareOrganization = (organizationId: string) => Promise<(tx: Queryable) => Promise<void>>;

const shown = (row: Pick<Row<'organizations'>, 'id' | 'name' | 'created_at'>): Organization => ({
  id: organizationIdSchema.parse(row.id),
  name: row.name,
  created_at: isoTime(Number(row.created_at)),
});

export interface Organizations {
  list(ids: 'all' | readonly string[]): Promise<Organization[]>;
  /** The same, page by page. */
  page(ids: 'all' | readonly string[], page: PageRequest): Promise<Page<Organization>>;
  /** By identifier or name. */
  find(idOrName: string): Promise<Organization | undefined>;
  /** @throws AppError `conflict` when the name is taken. */
  create(request: {
    name: string;
    actor: AuditActor;
    address?: string | null;
    /** Runs in the same transaction, for who belongs to it from the start. */
    also?: (tx: Queryable, id: OrganizationId) => Promise<void>;
  }): Promise<Organization>;
  /** @throws AppError `not_found`, `conflict` when the name is taken, or it is the organization `default`. */
  rename(request: Change & { name: string }): Promise<Organization>;
  /**
   * It is gone for everybody: its members, API tokens and provisioning tokens with it. What it recorded is kept, so that its
   * audit log can still be proved.
   * @throws AppError `not_found`, `conflict` while it has agents.
   */
  remove(request: Change): Promise<void>;
}

interface Change {
  id: string;
  actor: AuditActor;
  address: string | null;
}

export function createOrganizations(options: {
  store: Store;
  clock: Clock;
  prepare: readonly PrepareOrganization[];
}): Organizations {
  const { store, clock, prepare } = options;
  const named = (db: Queryable, name: string) =>
    db.selectFrom('organizations').selectAll().where('name', '=', name).executeTakeFirst();
  function of(ids: 'all' | readonly string[]) {
    const all = store.db
      .selectFrom('organizations')
      .selectAll()
      .where('deleted_at', 'is', null)
      .orderBy('id');
    return ids === 'all' ? all : all.where('id', 'in', ids);
  }
  async function live(tx: Queryable, id: string) {
    const row = await tx
      .selectFrom('organizations')
      .selectAll()
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    if (row) return row;
    throw new AppError('not_found', { detail: 'There is no such organization here.' });
  }
  const keepsDefault = (what: string) =>
    new AppError('conflict', {
      detail: `The organization "${DEFAULT_ORGANIZATION}" ${what}: commands use it when no other is named.`,
      hint: 'Create another organization instead.',
    });
  return {
    list: async (ids) => (await of(ids).execute()).map(shown),
    async page(ids, { after, limit }) {
      const rows = await of(ids)
        .where('id', '>', after ?? '')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, { keyOf: ({ id }) => id, show: shown });
    },
    async find(idOrName) {
      const row = await store.db
        .selectFrom('organizations')
        .selectAll()
        .where((eb) => eb.or([eb('id', '=', idOrName), eb('name', '=', idOrName)]))
        .where('deleted_at', 'is', null)
        .executeTakeFirst();
      return row && shown(row);
    },
    async create({ name, actor, address, also }) {
      const id = organizationIdSchema.parse(newId('org', clock));
      const saves = await Promise.all(prepare.map((make) => make(id)));
      return store.transaction(async (tx) => {
        if (await named(tx, name)) {
          throw new AppError('conflict', { detail: `There is an organization "${name}" already.` });
        }
        const now = clock.now();
        await tx
          .insertInto('organizations')
          .values({ id, name, created_at: now, command_epoch: 1 })
          .execute();
        for (const save of saves) await save(tx);
        await also?.(tx, id);
        await record(tx, {
          at: now,
          organizationId: id,
          action: 'organization.create',
          actor,
          address: address ?? null,
          target: id,
          detail: { name },
        });
        return shown({ id, name, created_at: now });
      });
    },
    async rename({ id, name, actor, address }) {
      const renamed = await store.transaction(async (tx) => {
        const before = await live(tx, id);
        if (before.name === name) return before;
        if (before.name === DEFAULT_ORGANIZATION) throw keepsDefault('keeps its name');
        if (await named(tx, name)) {
          throw new AppError('conflict', { detail: `There is an organization "${name}" already.` });
        }
        await tx.updateTable('organizations').set({ name }).where('id', '=', id).execute();
        await record(tx, {
          at: clock.now(),
          organizationId: id,
          action: 'organization.rename',
          actor,
          address,
          target: id,
          detail: { name, before: before.name },
        });
        return { ...before, name };
      });
      return shown(renamed);
    },
    async remove({ id, actor, address }) {
      await store.transaction(async (tx) => {
        const { name } = await live(tx, id);
        if (name === DEFAULT_ORGANIZATION) throw keepsDefault('is never deleted');
        const { count } = await tx
          .selectFrom('agents')
          .select(({ fn }) => fn.countAll<number>().as('count'))
          .where('organization_id', '=', id)
          .where('state', '!=', 'revoked')
          .executeTakeFirstOrThrow();
        if (Number(count) > 0)
          throw new AppError('conflict', {
            detail: `The organization has ${count} ${Number(count) === 1 ? 'agent' : 'agents'}.`,
            hint: 'Revoke or move them first, or say that they end with it: revoke_agents=true, or org delete --revoke-agents.',
            context: { agents: Number(count) },
          });
        const now = clock.now();
        // An identifier can be no name, so the name is free for another organization.
        await tx
          .updateTable('organizations')
          .set({ deleted_at: now, name: id })
          .where('id', '=', id)
          .execute();
        await tx.deleteFrom('memberships').where('organization_id', '=', id).execute();
        await tx.deleteFrom('api_tokens').where('organization_id', '=', id).execute();
        await tx
          .updateTable('provisioning_tokens')
          .set({ revoked_at: now })
          .where('organization_id', '=', id)
          .where('revoked_at', 'is', null)
          .execute();
        await record(tx, {
          at: now,
          organizationId: id,
          action: 'organization.delete',
          actor,
          address,
          target: id,
          detail: { name },
        });
      });
    },
  };
}
