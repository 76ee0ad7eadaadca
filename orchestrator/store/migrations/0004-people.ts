import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** People beside the first admin, who they are elsewhere, sessions that can be listed, and narrower API tokens. */
async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .alterTable('users')
    .addColumn('display_name', 'text', (c) => c.notNull().defaultTo(''))
    .execute();
  await schema.alterTable('users').addColumn('disabled_at', 'bigint').execute();
  await schema.alterTable('users').addColumn('last_login_at', 'bigint').execute();
  await schema
    .alterTable('memberships')
    .addColumn('source', 'text', (c) => c.notNull().defaultTo('local'))
    .execute();

  await schema
    .createTable('user_identities')
    .addColumn('issuer', 'text', (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id'))
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('user_identities_pk', ['issuer', 'subject'])
    .execute();
  await schema.createIndex('user_identities_by_user').on('user_identities').column('user_id').execute();

  // Sessions of the form before end here: people sign in once more.
  await schema.dropTable('web_sessions').execute();
  await schema
    .createTable('web_sessions')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id'))
    .addColumn('token_hash', 'text', (c) => c.notNull().unique())
    .addColumn('previous_hash', 'text')
    .addColumn('previous_until', 'bigint')
    .addColumn('method', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('rotated_at', 'bigint', (c) => c.notNull())
    .addColumn('last_seen_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addColumn('address', 'text')
    .addColumn('user_agent', 'text', (c) => c.notNull())
    .execute();
  await schema.createIndex('web_sessions_by_user').on('web_sessions').column('user_id').execute();
  await schema.createIndex('web_sessions_by_previous').on('web_sessions').column('previous_hash').execute();

  await schema.alterTable('api_tokens').addColumn('scopes', 'text').execute();
  await schema.alterTable('api_tokens').addColumn('expires_at', 'bigint').execute();
  await schema
    .alterTable('api_tokens')
    .addColumn('created_by', 'text', (c) => c.notNull().defaultTo(''))
    .execute();

  await schema.alterTable('organizations').addColumn('deleted_at', 'bigint').execute();
}

export const people: Migration = { up };
