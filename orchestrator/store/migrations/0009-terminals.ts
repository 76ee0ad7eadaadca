import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Terminals that were opened, and what was recorded of them. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('terminals')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('command_id', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('agent_id', 'text', (c) => c.notNull())
    .addColumn('vm_id', 'text', (c) => c.notNull())
    .addColumn('actor_type', 'text', (c) => c.notNull())
    .addColumn('actor_id', 'text', (c) => c.notNull())
    .addColumn('actor_name', 'text', (c) => c.notNull())
    .addColumn('address', 'text')
    .addColumn('command', 'text')
    .addColumn('opened_at', 'integer', (c) => c.notNull())
    .addColumn('ended_at', 'integer')
    .addColumn('end_reason', 'text')
    .addColumn('exit_code', 'integer')
    .addColumn('size', 'integer', (c) => c.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('terminals_pk', ['organization_id', 'id'])
    .execute();
  await db.schema
    .createIndex('terminals_by_agent')
    .on('terminals')
    .columns(['organization_id', 'agent_id', 'id'])
    .execute();
}

export const terminals: Migration = { up };
