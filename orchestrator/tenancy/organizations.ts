import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { type OrganizationId, organizationIdSchema } from '../../protocol/ids.ts';
import type { Organization } from '../../protocol/rest-fleet.ts';
import { type AuditActor, record } from '../audit/audit.ts';
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
}

export function createOrganizations(options: {
  store: Store;
  clock: Clock;
  prepare: readonly PrepareOrganization[];
}): Organizations {
  const { store, clock, prepare } = options;
  const named = (db: Queryable, name: string) =>
    db.selectFrom('organizations').selectAll().where('name', '=', name).executeTakeFirst();
  return {
    async list(ids) {
      let query = store.db
        .selectFrom('organizations')
        .selectAll()
        .where('deleted_at', 'is', null)
        .orderBy('id');
      if (ids !== 'all') query = query.where('id', 'in', ids);
      return (await query.execute()).map(shown);
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
  };
}
