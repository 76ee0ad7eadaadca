import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Column types that SQLite and PostgreSQL read alike; times in ms need 64 bits. */
const big = 'bigint';

async function up(db: Kysely<unknown>): Promise<void> {
  const table = (name: string) => db.schema.createTable(name);

  await table('settings')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();

  await table('organizations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('command_epoch', 'integer', (c) => c.notNull().defaultTo(1))
    .execute();

  await table('certificate_authorities')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('organization_id', 'text', (c) => c.references('organizations.id'))
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('certificate', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull().unique())
    .addColumn('sealed_key', 'text')
    .addColumn('not_after', big, (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .execute();

  await table('command_keys')
    .addColumn('kid', 'text', (c) => c.primaryKey())
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('public_key', 'text', (c) => c.notNull())
    .addColumn('sealed_key', 'text', (c) => c.notNull())
    .addColumn('delegation', 'text')
    .addColumn('not_after', big)
    .addColumn('created_at', big, (c) => c.notNull())
    .execute();

  await table('users')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('username', 'text', (c) => c.notNull().unique())
    .addColumn('password_hash', 'text', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .execute();

  await table('memberships')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id'))
    .addColumn('role', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('memberships_pk', ['organization_id', 'user_id'])
    .execute();

  await table('web_sessions')
    .addColumn('token_hash', 'text', (c) => c.primaryKey())
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id'))
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('expires_at', big, (c) => c.notNull())
    .execute();

  await table('api_tokens')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('token_hash', 'text', (c) => c.notNull().unique())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('role', 'text', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('last_used_at', big)
    .execute();

  await table('provisioning_tokens')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull().unique())
    .addColumn('secret_hash', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('expires_at', big, (c) => c.notNull())
    .addColumn('revoked_at', big)
    .addColumn('uses', 'integer', (c) => c.notNull())
    .addColumn('used', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('labels', 'text', (c) => c.notNull())
    .addColumn('vm_id_pattern', 'text')
    .addColumn('cidr', 'text')
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('provisioning_tokens_pk', ['organization_id', 'id'])
    .addCheckConstraint('provisioning_tokens_uses', sql`used <= uses`)
    .execute();

  await table('agents')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull().unique())
    .addColumn('vm_id', 'text', (c) => c.notNull())
    .addColumn('hostname', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('public_key_hash', 'text', (c) => c.notNull())
    .addColumn('token_id', 'text', (c) => c.notNull())
    .addColumn('api_key_hash', 'text', (c) => c.notNull())
    .addColumn('machine_hash', 'text')
    .addColumn('executor_public_key', 'text')
    .addColumn('labels', 'text', (c) => c.notNull())
    .addColumn('reported_labels', 'text', (c) => c.notNull())
    .addColumn('facts', 'text')
    .addColumn('load', 'text')
    .addColumn('tools', 'text', (c) => c.notNull())
    .addColumn('features', 'text', (c) => c.notNull())
    .addColumn('tool_manifest_sha256', 'text')
    .addColumn('version', 'text')
    .addColumn('boot_id', 'text')
    .addColumn('address', 'text')
    .addColumn('enrolled_at', big, (c) => c.notNull())
    .addColumn('connected_at', big)
    .addColumn('disconnected_at', big)
    .addColumn('last_heartbeat_at', big)
    .addColumn('session_epoch', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('command_seq', 'integer', (c) => c.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('agents_pk', ['organization_id', 'id'])
    .execute();
  // A revoked agent's name is free again; its row stays for the history.
  await db.schema
    .createIndex('agents_live_vm_id')
    .unique()
    .on('agents')
    .columns(['organization_id', 'vm_id'])
    .where(sql.ref('state'), '!=', sql.lit('revoked'))
    .execute();

  await table('certificates')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull())
    .addColumn('agent_id', 'text', (c) => c.notNull())
    .addColumn('serial', 'text', (c) => c.notNull())
    .addColumn('public_key_hash', 'text', (c) => c.notNull())
    .addColumn('chain', 'text', (c) => c.notNull())
    .addColumn('not_before', big, (c) => c.notNull())
    .addColumn('not_after', big, (c) => c.notNull())
    .addColumn('revoked_at', big)
    .addColumn('first_used_at', big)
    .addColumn('created_at', big, (c) => c.notNull())
    .addPrimaryKeyConstraint('certificates_pk', ['organization_id', 'fingerprint'])
    .addForeignKeyConstraint('certificates_agent', ['organization_id', 'agent_id'], 'agents', [
      'organization_id',
      'id',
    ])
    .execute();
  await db.schema
    .createIndex('certificates_agent_key')
    .on('certificates')
    .columns(['organization_id', 'agent_id', 'public_key_hash'])
    .execute();

  await table('jobs')
    .addColumn('organization_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('selector', 'text', (c) => c.notNull())
    .addColumn('tool', 'text', (c) => c.notNull())
    .addColumn('arguments', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('timeout_s', 'real', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addColumn('open_commands', 'integer', (c) => c.notNull())
    .addColumn('next_event', 'integer', (c) => c.notNull().defaultTo(1))
    .addPrimaryKeyConstraint('jobs_pk', ['organization_id', 'id'])
    .execute();

  await table('idempotency_keys')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('actor', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('request_hash', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addPrimaryKeyConstraint('idempotency_keys_pk', ['organization_id', 'actor', 'key'])
    .addForeignKeyConstraint('idempotency_keys_job', ['organization_id', 'job_id'], 'jobs', [
      'organization_id',
      'id',
    ])
    .execute();

  await table('commands')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('agent_id', 'text', (c) => c.notNull())
    .addColumn('vm_id', 'text', (c) => c.notNull())
    .addColumn('seq', 'integer', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('reason', 'text')
    .addColumn('cancel_requested', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('envelope', 'text', (c) => c.notNull())
    .addColumn('delegation', 'text', (c) => c.notNull())
    .addColumn('timeout_s', 'real', (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('sent_at', big)
    .addColumn('started_at', big)
    .addColumn('ended_at', big)
    .addColumn('expires_at', big, (c) => c.notNull())
    .addColumn('result', 'text')
    .addColumn('stdout_size', big, (c) => c.notNull().defaultTo(0))
    .addColumn('stderr_size', big, (c) => c.notNull().defaultTo(0))
    .addColumn('result_late', 'integer', (c) => c.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('commands_pk', ['organization_id', 'id'])
    .addForeignKeyConstraint('commands_job', ['organization_id', 'job_id'], 'jobs', ['organization_id', 'id'])
    .addForeignKeyConstraint('commands_agent', ['organization_id', 'agent_id'], 'agents', [
      'organization_id',
      'id',
    ])
    .addUniqueConstraint('commands_seq', ['organization_id', 'agent_id', 'seq'])
    .execute();
  await db.schema
    .createIndex('commands_by_job')
    .on('commands')
    .columns(['organization_id', 'job_id'])
    .execute();
  // The dispatcher asks for an agent's open commands; the sweeper for all that are past their deadline.
  await db.schema
    .createIndex('commands_open')
    .on('commands')
    .columns(['organization_id', 'agent_id', 'seq'])
    .where(sql.ref('ended_at'), 'is', null)
    .execute();

  await table('job_events')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('id', 'integer', (c) => c.notNull())
    .addColumn('command_id', 'text')
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('at', big, (c) => c.notNull())
    .addColumn('state', 'text')
    .addColumn('reason', 'text')
    .addColumn('stream', 'text')
    .addColumn('offset', big)
    .addColumn('length', big)
    .addPrimaryKeyConstraint('job_events_pk', ['organization_id', 'job_id', 'id'])
    .addForeignKeyConstraint('job_events_job', ['organization_id', 'job_id'], 'jobs', [
      'organization_id',
      'id',
    ])
    .execute();

  await table('audit_events')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('organization_id', 'text')
    .addColumn('at', big, (c) => c.notNull())
    .addColumn('action', 'text', (c) => c.notNull())
    .addColumn('actor_type', 'text', (c) => c.notNull())
    .addColumn('actor_id', 'text', (c) => c.notNull())
    .addColumn('actor_name', 'text', (c) => c.notNull())
    .addColumn('address', 'text')
    .addColumn('target', 'text')
    .addColumn('detail', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createIndex('audit_events_by_organization')
    .on('audit_events')
    .columns(['organization_id', 'id'])
    .execute();
}

export const initial: Migration = { up };
