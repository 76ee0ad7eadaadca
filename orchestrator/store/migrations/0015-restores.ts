import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** That this store was put back to an earlier state, and what came of it. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('restores')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('backup_at', 'bigint', (c) => c.notNull())
    .addColumn('source', 'text', (c) => c.notNull())
    .addColumn('epoch', 'integer', (c) => c.notNull())
    .addColumn('audit_size', 'integer', (c) => c.notNull())
    .addColumn('admit_known', 'integer', (c) => c.notNull())
    .addColumn('commands_held', 'integer', (c) => c.notNull())
    .addColumn('rollouts_paused', 'integer', (c) => c.notNull())
    .addColumn('tokens_revoked', 'integer', (c) => c.notNull())
    .addColumn('agents_found', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('witnessed_size', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('acknowledged_at', 'bigint')
    .addColumn('acknowledged_by', 'text')
    .addPrimaryKeyConstraint('restores_pk', ['organization_id', 'id'])
    .execute();
  await db.schema
    .createTable('lost_results')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('command_id', 'text', (c) => c.notNull())
    .addColumn('agent_id', 'text', (c) => c.notNull())
    .addColumn('restore_id', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('result', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('lost_results_pk', ['organization_id', 'command_id'])
    .addForeignKeyConstraint('lost_results_restore', ['organization_id', 'restore_id'], 'restores', [
      'organization_id',
      'id',
    ])
    .execute();
}

export const restores: Migration = { up };
