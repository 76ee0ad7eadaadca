import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What ended lately is asked for by every open first page. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createIndex('commands_by_end')
    .on('commands')
    .columns(['organization_id', 'ended_at'])
    .execute();
}

export const recentEnds: Migration = { up };
