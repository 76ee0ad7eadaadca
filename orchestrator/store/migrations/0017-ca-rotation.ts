import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Roots that follow each other, certificates that were revoked by themselves, and what agents have confirmed. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('certificates').addColumn('revoked_reason', 'text').execute();
  const authorities = () => db.schema.alterTable('certificate_authorities');
  await authorities()
    .addColumn('state', 'text', (c) => c.notNull().defaultTo('active'))
    .execute();
  await authorities().addColumn('issuer_id', 'text').execute();
  await authorities().addColumn('cross_certificate', 'text').execute();
  await db.schema.alterTable('agents').addColumn('trust_version', 'integer').execute();
  // There was one root until now, and it signed everything.
  await sql`UPDATE certificate_authorities
    SET issuer_id = (SELECT r.id FROM certificate_authorities r WHERE r.kind = 'root')
    WHERE kind <> 'root'`.execute(db);
}

export const caRotation: Migration = { up };
