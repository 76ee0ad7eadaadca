import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type Dialect, type DialectAdapter, SqliteAdapter, SqliteDialect } from 'kysely';

/** SQLite can change its schema in a transaction, so that two processes that start at once do not migrate twice. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class NodeSqliteDialect extends SqliteDialect {
  override createAdapter(): DialectAdapter {
    return new TransactionalAdapter();
  }
}

/** Kysely's SQLite dialect on Node's own driver. */
export function nodeSqliteDialect(database: DatabaseSync): Dialect {
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  const prepare = (sql: string) => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      if (prepared.size >= 500) prepared.clear();
      prepared.set(sql, statement);
    }
    return statement;
  };
  return new NodeSqliteDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        // A transaction that reads and then writes could not wait for another process's lock if it began as a reader.
        const statement = prepare(sql === 'begin' ? 'begin immediate' : sql);
        return {
          reader: statement.columns().length > 0,
          all: (values) => statement.all(...(values as SQLInputValue[])),
          run: (values) => statement.run(...(values as SQLInputValue[])),
          iterate: (values) => statement.iterate(...(values as SQLInputValue[])) as IterableIterator<unknown>,
        };
      },
    },
  });
}
