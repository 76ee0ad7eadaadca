import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The audit log is sealed: positions, hashes of the tree, signed checkpoints, what witnesses keep, who gets copies. */
async function up(db: Kysely<unknown>): Promise<void> {
  for (const [column, type] of [
    ['seq', 'bigint'],
    ['salts', 'text'],
    ['erased', 'text'],
  ] as const)
    await db.schema.alterTable('audit_events').addColumn(column, type).execute();
  await db.schema
    .createIndex('audit_events_by_seq')
    .on('audit_events')
    .columns(['organization_id', 'seq'])
    .execute();
  // What waits to be sealed is found without looking at what is.
  await db.schema
    .createIndex('audit_events_unsealed')
    .on('audit_events')
    .columns(['organization_id', 'id'])
    .where('seq' as never, 'is', null)
    .execute();
  const table = (name: string) =>
    db.schema.createTable(name).addColumn('organization_id', 'text', (c) => c.notNull());
  await table('audit_keys')
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('public_key', 'text', (c) => c.notNull())
    .addColumn('sealed_key', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('audit_keys_key', ['organization_id'])
    .execute();
  await table('audit_tiles')
    .addColumn('level', 'integer', (c) => c.notNull())
    .addColumn('tile', 'integer', (c) => c.notNull())
    .addColumn('hashes', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('audit_tiles_key', ['organization_id', 'level', 'tile'])
    .execute();
  // The key also lets one sequencer alone seal: a second one's commit fails.
  await table('audit_checkpoints')
    .addColumn('size', 'bigint', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('note', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('audit_checkpoints_key', ['organization_id', 'size'])
    .execute();
  await table('audit_witnesses')
    .addColumn('agent_id', 'text', (c) => c.notNull())
    .addColumn('vm_id', 'text', (c) => c.notNull())
    .addColumn('checkpoint', 'text')
    .addColumn('checkpoint_at', 'bigint')
    .addColumn('head_seq', 'bigint')
    .addColumn('head_hash', 'text')
    .addColumn('head_at', 'bigint')
    .addColumn('policy_sha256', 'text')
    .addPrimaryKeyConstraint('audit_witnesses_key', ['organization_id', 'agent_id'])
    .execute();
  await table('audit_cursors')
    .addColumn('sink', 'text', (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('audit_cursors_key', ['organization_id', 'sink'])
    .execute();
}

export const auditLog: Migration = { up };
