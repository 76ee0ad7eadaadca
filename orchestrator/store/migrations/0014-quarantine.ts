import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Why an agent is in quarantine, what tells a copied or rolled-back machine, and the way back of one that slept. */
async function up(db: Kysely<unknown>): Promise<void> {
  const agents = () => db.schema.alterTable('agents');
  await agents().addColumn('quarantine_reason', 'text').execute();
  await agents().addColumn('quarantine_detail', 'text').execute();
  await agents().addColumn('quarantined_at', 'bigint').execute();
  await agents().addColumn('seen_machine_hash', 'text').execute();
  await agents()
    .addColumn('taken_seq', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await agents()
    .addColumn('taken_floor', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('certificates').addColumn('readmitted_at', 'bigint').execute();
  await db.schema.alterTable('organizations').addColumn('recovery_admit_s', 'bigint').execute();
  await db.schema
    .createTable('recovery_nonces')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('nonce_hash', 'text', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('recovery_nonces_pk', ['organization_id', 'nonce_hash'])
    .execute();
}

export const quarantine: Migration = { up };
