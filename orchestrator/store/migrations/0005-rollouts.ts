import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const big = 'bigint';

/** What commands had before, in the order in which it is copied. */
const COLUMNS = [
  'organization_id',
  'id',
  'job_id',
  'agent_id',
  'vm_id',
  'seq',
  'state',
  'reason',
  'cancel_requested',
  'envelope',
  'delegation',
  'timeout_s',
  'created_at',
  'sent_at',
  'started_at',
  'ended_at',
  'expires_at',
  'result',
  'stdout_size',
  'stderr_size',
  'result_late',
] as const;

/**
 * Commands may wait for their turn: they get their seq and signature when it comes, since an agent takes no seq below
 * one that it has seen. SQLite cannot take a NOT NULL away, so the table is made anew.
 */
async function commandsThatWait(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('commands_anew')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('agent_id', 'text', (c) => c.notNull())
    .addColumn('vm_id', 'text', (c) => c.notNull())
    .addColumn('seq', 'integer')
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('reason', 'text')
    .addColumn('cancel_requested', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('envelope', 'text')
    .addColumn('delegation', 'text')
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
    .addColumn('wave', 'integer')
    .addColumn('position', 'integer', (c) => c.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('commands_key', ['organization_id', 'id'])
    .addForeignKeyConstraint('commands_of_job', ['organization_id', 'job_id'], 'jobs', [
      'organization_id',
      'id',
    ])
    .addForeignKeyConstraint('commands_of_agent', ['organization_id', 'agent_id'], 'agents', [
      'organization_id',
      'id',
    ])
    .addUniqueConstraint('commands_seq_once', ['organization_id', 'agent_id', 'seq'])
    .execute();
  const columns = sql.join(COLUMNS.map((name) => sql.ref(name)));
  await sql`insert into commands_anew (${columns}) select ${columns} from commands`.execute(db);
  await db.schema.dropTable('commands').execute();
  await db.schema.alterTable('commands_anew').renameTo('commands').execute();
  await db.schema
    .createIndex('commands_by_job')
    .on('commands')
    .columns(['organization_id', 'job_id', 'wave', 'position'])
    .execute();
  // The dispatcher asks for an agent's open commands; the sweeper for all that are past their deadline.
  await db.schema
    .createIndex('commands_open')
    .on('commands')
    .columns(['organization_id', 'agent_id', 'seq'])
    .where(sql.ref('ended_at'), 'is', null)
    .execute();
}

async function up(db: Kysely<unknown>): Promise<void> {
  await commandsThatWait(db);
  const jobs = (name: string, type: 'text' | 'real' | 'integer') =>
    db.schema.alterTable('jobs').addColumn(name, type).execute();
  await jobs('kind', 'text');
  await jobs('script', 'text');
  await jobs('lane', 'text');
  await jobs('expires_in_s', 'real');
  await jobs('approvals', 'text');
  await jobs('retry_of', 'text');
  await jobs('check_of', 'text');
  await db.schema.alterTable('job_events').addColumn('detail', 'text').execute();
  await db.schema.alterTable('idempotency_keys').addColumn('response', 'text').execute();
  await db.schema
    .createTable('rollouts')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('plan', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('wave', 'integer', (c) => c.notNull())
    .addColumn('phase', 'text', (c) => c.notNull())
    .addColumn('phase_until', big)
    .addColumn('waves', 'text', (c) => c.notNull())
    .addColumn('total', 'integer', (c) => c.notNull())
    .addColumn('stop_reason', 'text')
    .addColumn('stop_detail', 'text')
    .addColumn('deadline_at', big, (c) => c.notNull())
    .addColumn('created_at', big, (c) => c.notNull())
    .addColumn('ended_at', big)
    .addPrimaryKeyConstraint('rollouts_pk', ['organization_id', 'job_id'])
    .addForeignKeyConstraint('rollouts_job', ['organization_id', 'job_id'], 'jobs', ['organization_id', 'id'])
    .execute();
  await db.schema
    .createIndex('rollouts_open')
    .on('rollouts')
    .columns(['organization_id', 'job_id'])
    .where(sql.ref('ended_at'), 'is', null)
    .execute();
  await db.schema
    .createTable('command_digests')
    .addColumn('organization_id', 'text', (c) => c.notNull())
    .addColumn('command_id', 'text', (c) => c.notNull())
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('digest', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('command_digests_pk', ['organization_id', 'command_id'])
    .execute();
  await db.schema
    .createIndex('command_digests_by_job')
    .on('command_digests')
    .columns(['organization_id', 'job_id'])
    .execute();
}

export const rollouts: Migration = { up };
