import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Answers of requests that carried an Idempotency-Key, for who did not get them. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('request_replays')
    .addColumn('actor', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('request_hash', 'text', (c) => c.notNull())
    .addColumn('process', 'text', (c) => c.notNull())
    .addColumn('status', 'integer')
    .addColumn('sealed_body', 'text')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('request_replays_pk', ['actor', 'key'])
    .execute();
  await db.schema
    .createIndex('request_replays_by_age')
    .on('request_replays')
    .columns(['created_at'])
    .execute();
}

export const replays: Migration = { up };
