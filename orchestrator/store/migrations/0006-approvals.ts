import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What needs another person, who decided on it, and what is locked. */
async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  // Whose token it is: two tokens of one person are one person.
  await schema.alterTable('api_tokens').addColumn('user_id', 'text').execute();
  // What the policy of its owner says about approvers' own signatures, JSON; null: nothing.
  await schema.alterTable('agents').addColumn('approval_policy', 'text').execute();

  await schema
    .createTable('approval_rules')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('enabled', 'integer', (c) => c.notNull().defaultTo(1))
    .addColumn('definition', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('approval_rules_pk', ['organization_id', 'id'])
    .addUniqueConstraint('approval_rules_name', ['organization_id', 'name'])
    .execute();

  await schema
    .createTable('approvals')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('requester', 'text', (c) => c.notNull())
    .addColumn('requester_person', 'text', (c) => c.notNull())
    .addColumn('digest', 'text', (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .addColumn('requirements', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('released_at', 'bigint')
    .addColumn('detail', 'text')
    .addPrimaryKeyConstraint('approvals_pk', ['organization_id', 'id'])
    .addUniqueConstraint('approvals_job', ['organization_id', 'job_id'])
    .addForeignKeyConstraint('approvals_job_fk', ['organization_id', 'job_id'], 'jobs', [
      'organization_id',
      'id',
    ])
    .execute();
  await schema
    .createIndex('approvals_pending')
    .on('approvals')
    .columns(['organization_id', 'expires_at'])
    .where(sql.ref('ended_at'), 'is', null)
    .execute();

  await schema
    .createTable('approval_decisions')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('approval_id', 'text', (c) => c.notNull())
    .addColumn('person', 'text', (c) => c.notNull())
    .addColumn('actor', 'text', (c) => c.notNull())
    .addColumn('decision', 'text', (c) => c.notNull())
    .addColumn('comment', 'text', (c) => c.notNull())
    .addColumn('signature', 'text')
    .addColumn('counts_for', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('approval_decisions_pk', ['organization_id', 'approval_id', 'person'])
    .addForeignKeyConstraint('approval_decisions_approval', ['organization_id', 'approval_id'], 'approvals', [
      'organization_id',
      'id',
    ])
    .execute();

  await schema
    .createTable('locks')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('target_type', 'text', (c) => c.notNull())
    .addColumn('target', 'text', (c) => c.notNull())
    .addColumn('reason', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addColumn('expires_at', 'bigint')
    .addPrimaryKeyConstraint('locks_pk', ['organization_id', 'id'])
    .execute();
}

export const approvals: Migration = { up };
