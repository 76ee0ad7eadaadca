import type { DatabaseSync } from 'node:sqlite';
import { Kysely, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import { openDatabase } from '../../base/sqlite.ts';
import { initial } from './migrations/0001-initial.ts';
import { tokenRate } from './migrations/0002-token-rate.ts';
import { roles } from './migrations/0003-roles.ts';
import { people } from './migrations/0004-people.ts';
import { rollouts } from './migrations/0005-rollouts.ts';
import { approvals } from './migrations/0006-approvals.ts';
import { auditLog } from './migrations/0007-audit-log.ts';
import { callsAndMetrics } from './migrations/0008-calls-and-metrics.ts';
import { terminals } from './migrations/0009-terminals.ts';
import { schedules } from './migrations/0010-schedules.ts';
import { recentEnds } from './migrations/0011-recent-ends.ts';
import { replays } from './migrations/0012-replays.ts';
import { transport } from './migrations/0013-transport.ts';
import { quarantine } from './migrations/0014-quarantine.ts';
import { restores } from './migrations/0015-restores.ts';
import { caRotation } from './migrations/0017-ca-rotation.ts';
import { nodeSqliteDialect } from './sqlite-dialect.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;
export type Tx = Transaction<Tables>;
/** A query runs in a transaction or outside of one. */
export type Queryable = Database | Tx;

/** Names sort in the order in which they are applied; an applied one never changes. */
const MIGRATIONS = {
  '0001-initial': initial,
  '0002-token-rate': tokenRate,
  '0003-roles': roles,
  '0004-people': people,
  '0005-rollouts': rollouts,
  '0006-approvals': approvals,
  '0007-audit-log': auditLog,
  '0008-calls-and-metrics': callsAndMetrics,
  '0009-terminals': terminals,
  '0010-schedules': schedules,
  '0011-recent-ends': recentEnds,
  '0012-replays': replays,
  '0013-transport': transport,
  '0014-quarantine': quarantine,
  '0015-restores': restores,
  '0017-ca-rotation': caRotation,
};

const SQLITE_CORRUPT = 11;

/** What this version can read, in the order in which it came. */
export const SCHEMAS: readonly string[] = Object.keys(MIGRATIONS);

/** The one interface to what the orchestrator remembers. A commit has reached the disk when it returns. */
export interface Store {
  readonly db: Database;
  /** Resolves when something could be written just now; who asks meanwhile shares the answer. @throws why not. */
  probe(): Promise<void>;
  /** Runs `work` in one transaction. SQLite has one writer: keep the work short, and free of any other waiting. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** @throws an error as SQLite's of a damaged file is, when the pages of a file do not fit together. */
function openWhole(file: string): DatabaseSync {
  const database = openDatabase(file);
  try {
    const found = String(database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']);
    if (found === 'ok') return database;
    throw Object.assign(new Error(found), { code: 'ERR_SQLITE_ERROR', errcode: SQLITE_CORRUPT });
  } catch (cause) {
    database.close();
    throw cause;
  }
}

export async function openStore(file: string): Promise<Store> {
  const db: Database = new Kysely<Tables>({ dialect: nodeSqliteDialect(openWhole(file)) });
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    await db.destroy();
    throw new Error(`the store ${file} cannot be brought up to date`, { cause: error });
  }
  let probing: Promise<unknown> | undefined;
  return {
    db,
    async probe() {
      probing ??= db
        .insertInto('settings')
        .values({ key: 'probe', value: '' })
        .onConflict((on) => on.column('key').doUpdateSet({ value: '' }))
        .execute()
        .finally(() => {
          probing = undefined;
        });
      await probing;
    },
    transaction: (work) => db.transaction().execute(work),
    close: () => db.destroy(),
  };
}
