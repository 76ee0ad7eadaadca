import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Calls that somebody waits for stand apart from jobs; what heartbeats said is kept for some days. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('jobs')
    .addColumn('origin', 'text', (c) => c.notNull().defaultTo('job'))
    .execute();
  await db.schema
    .createIndex('jobs_by_origin')
    .on('jobs')
    .columns(['organization_id', 'origin', 'id'])
    .execute();
  await db.schema
    .alterTable('commands')
    .addColumn('trail', 'text', (c) => c.notNull().defaultTo('full'))
    .execute();
  await db.schema
    .createTable('metric_blocks')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('agent_id', 'text', (c) => c.notNull())
    .addColumn('step', 'integer', (c) => c.notNull())
    .addColumn('start', 'bigint', (c) => c.notNull())
    .addColumn('data', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('metric_blocks_pk', ['organization_id', 'agent_id', 'step', 'start'])
    .addForeignKeyConstraint('metric_blocks_agent', ['organization_id', 'agent_id'], 'agents', [
      'organization_id',
      'id',
    ])
    .execute();
  await db.schema
    .createIndex('commands_calls')
    .on('commands')
    .columns(['trail', 'ended_at'])
    .where(sql.ref('trail'), '!=', 'full')
    .execute();
  await db.schema
    .createIndex('metric_blocks_by_age')
    .on('metric_blocks')
    .columns(['step', 'start'])
    .execute();
}

export const callsAndMetrics: Migration = { up };
