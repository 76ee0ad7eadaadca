import { DatabaseSync } from 'node:sqlite';

/**
 * Opens a database that keeps what it was told: write-ahead log, and `synchronous=FULL`, so that a commit has
 * reached the disk when it returns. A second process waits up to 5 s for a lock.
 */
export function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: true });
  try {
    database.exec(
      'PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;',
    );
  } catch (cause) {
    database.close();
    throw cause;
  }
  return database;
}

/** Runs `work` in one transaction that either commits as a whole or leaves nothing. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (cause) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw cause;
  }
}

/**
 * Brings a small schema up to date; `user_version` counts the steps that were made. With `newerIsFine` a schema that a
 * newer version has added to is used as it is: for files whose every step only adds, so that a version that was
 * rolled back finds its state again.
 */
export function migrate(
  database: DatabaseSync,
  steps: readonly string[],
  options: { newerIsFine?: boolean } = {},
): void {
  const row = database.prepare('PRAGMA user_version').get();
  const version = Number(row?.['user_version'] ?? 0);
  if (version > steps.length && !options.newerIsFine) {
    throw new Error(
      `the database has schema ${version}, this version knows ${steps.length}: it was written by a newer version`,
    );
  }
  for (const [index, step] of steps.entries()) {
    if (index < version) continue;
    inTransaction(database, () => {
      database.exec(step);
      database.exec(`PRAGMA user_version=${index + 1}`);
    });
  }
}
