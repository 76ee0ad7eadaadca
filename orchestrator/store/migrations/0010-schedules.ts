import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const big = 'bigint';

/** Jobs that come again, and commands that are kept under a name. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('schedules')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('cron', 'text', (c) => c.notNull())
    .addColumn('time_zone', 'text', (c) => c.notNull())
    .addColumn('runs_on', 'text', (c) => c.notNull())
    .addColumn('overlap', 'text', (c) => c.notNull())
    .addColumn('start_within_s', 'integer', (c) => c.notNull())
    .addColumn('job', 'text', (c) => c.notNull())
    .addColumn('enabled', 'integer', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addColumn('changed_at', big, (c) => c.notNull())
    // The next occurrence that no job stands for yet.
    .addColumn('next_at', big)
    .addPrimaryKeyConstraint('schedules_pk', ['organization_id', 'id'])
    .addUniqueConstraint('schedules_name', ['organization_id', 'name'])
    .execute();
  await db.schema
    .createIndex('schedules_due')
    .on('schedules')
    .columns(['next_at'])
    .where(sql.ref('enabled'), '=', sql.lit(1))
    .execute();
  await db.schema.alterTable('jobs').addColumn('schedule_id', 'text').execute();
  await db.schema.alterTable('jobs').addColumn('due_at', big).execute();
  await db.schema
    .createIndex('jobs_by_schedule')
    .on('jobs')
    .columns(['organization_id', 'schedule_id', 'due_at'])
    .where(sql.ref('schedule_id'), 'is not', null)
    .execute();
  await db.schema
    .createTable('saved_commands')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('definition', 'text', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addColumn('changed_at', big, (c) => c.notNull())
    .addPrimaryKeyConstraint('saved_commands_pk', ['organization_id', 'id'])
    .addUniqueConstraint('saved_commands_name', ['organization_id', 'name'])
    .execute();
}

export const schedules: Migration = { up };
