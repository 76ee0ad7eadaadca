import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import {
  type Dialect,
  type DialectAdapter,
  SqliteAdapter,
  SqliteDialect,
  type SqliteStatement,
} from 'kysely';

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
  const prepared = new Map<string, SqliteStatement>();
  function prepare(sql: string): SqliteStatement {
    // A transaction that reads and then writes could not wait for another process's lock if it began as a reader.
    const statement = database.prepare(sql === 'begin' ? 'begin immediate' : sql);
    // On a full or failing disk SQLite has rolled back by itself; to say it again would hide why.
    const isDone = () => sql === 'rollback' && !database.isTransaction;
    return {
      // Asked for with each run; the columns' names are costly to bring together.
      reader: statement.columns().length > 0,
      all: (values) => statement.all(...(values as SQLInputValue[])),
      run: (values) =>
        isDone() ? { changes: 0, lastInsertRowid: 0 } : statement.run(...(values as SQLInputValue[])),
      iterate: (values) => statement.iterate(...(values as SQLInputValue[])) as IterableIterator<unknown>,
    };
  }
  return new NodeSqliteDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        let statement = prepared.get(sql);
        if (statement === undefined) {
          statement = prepare(sql);
          if (prepared.size >= 500) prepared.clear();
          prepared.set(sql, statement);
        }
        return statement;
      },
    },
  });
}
