import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { Tables } from '../tables.ts';

/** Who rules the whole orchestrator is said apart from the roles within an organization. */
async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ['users', 'api_tokens'])
    await db.schema
      .alterTable(table)
      .addColumn('system_admin', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
  const known = db as Kysely<Tables>;
  await known
    .updateTable('users')
    .set({ system_admin: 1 })
    .where('id', 'in', (eb) =>
      eb.selectFrom('memberships').select('memberships.user_id').where('memberships.role', '=', 'operator'),
    )
    .execute();
  await known.updateTable('memberships').set({ role: 'admin' }).where('role', '=', 'operator').execute();
  await known
    .updateTable('api_tokens')
    .set({ system_admin: 1, role: 'admin' })
    .where('role', '=', 'operator')
    .execute();
}

export const roles: Migration = { up };
