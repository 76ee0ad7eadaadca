import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../../../base/sqlite.ts';
import { initial } from '../../../../../orchestrator/store/migrations/0001-initial.ts';
import { tokenRate } from '../../../../../orchestrator/store/migrations/0002-token-rate.ts';
import { roles } from '../../../../../orchestrator/store/migrations/0003-roles.ts';
import { nodeSqliteDialect } from '../../../../../orchestrator/store/sqlite-dialect.ts';
import { openStore } from '../../../../../orchestrator/store/store.ts';

describe('a store from before there were rollouts', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'store-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('keeps its commands as they are, and takes new ones that wait', async () => {
    const file = join(folder, 'store.db');
    const database = openDatabase(file);
    const db = new Kysely<unknown>({ dialect: nodeSqliteDialect(database) });
    const before = { '0001-initial': initial, '0002-token-rate': tokenRate, '0003-roles': roles };
    await new Migrator({ db, provider: { getMigrations: async () => before } }).migrateToLatest();
    database.exec(`
      insert into organizations (id, name, created_at) values ('o', 'o', 0);
      insert into agents (organization_id, id, vm_id, hostname, state, public_key_hash, token_id, api_key_hash, labels,
        reported_labels, tools, features, enrolled_at, session_epoch, command_seq)
        values ('o', 'a', 'vm', 'h', 'active', '', '', '', '{}', '{}', '[]', '[]', 0, 0, 7);
      insert into jobs (organization_id, id, selector, tool, arguments, description, timeout_s, created_at, created_by, open_commands)
        values ('o', 'j', 'all', 'execute_shell_command', '{}', '', 1.5, 1, '{}', 1);
      insert into commands (organization_id, id, job_id, agent_id, vm_id, seq, state, envelope, delegation, timeout_s, created_at, expires_at, stdout_size)
        values ('o', 'c', 'j', 'a', 'vm', 7, 'running', '{"e":1}', '{"d":1}', 1.5, 1, 2, 3);
    `);
    await db.destroy();

    const store = await openStore(file);
    const row = await store.db.selectFrom('commands').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ id: 'c', seq: 7, state: 'running', envelope: '{"e":1}', stdout_size: 3 });
    expect(row).toMatchObject({ wave: null, position: 0, ended_at: null });
    const waiting = {
      ...row,
      id: 'd',
      seq: null,
      envelope: null,
      delegation: null,
      state: 'scheduled',
      wave: 1,
    };
    await store.db
      .insertInto('commands')
      .values([waiting, { ...waiting, id: 'e' }])
      .execute();
    // What holds the table together is still there.
    const again = { ...row, id: 'f' };
    await expect(store.db.insertInto('commands').values(again).execute()).rejects.toThrow(/UNIQUE/);
    const lost = { ...waiting, id: 'g', job_id: 'none' };
    await expect(store.db.insertInto('commands').values(lost).execute()).rejects.toThrow(/FOREIGN KEY/);
    await store.close();
  });
});
