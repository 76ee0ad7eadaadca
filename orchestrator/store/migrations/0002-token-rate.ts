import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** How many machines a token may enroll within a time, and when it did. */
async function up(db: Kysely<unknown>): Promise<void> {
  for (const column of ['rate_uses', 'rate_window_s'])
    await db.schema.alterTable('provisioning_tokens').addColumn(column, 'integer').execute();
  await db.schema
    .createTable('token_uses')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('token_id', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addForeignKeyConstraint('token_uses_token', ['organization_id', 'token_id'], 'provisioning_tokens', [
      'organization_id',
      'id',
    ])
    .execute();
  await db.schema
    .createIndex('token_uses_by_token')
    .on('token_uses')
    .columns(['organization_id', 'token_id', 'at'])
    .execute();
}

export const tokenRate: Migration = { up };
