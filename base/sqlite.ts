import { DatabaseSync } from 'node:sqlite';

/** The first error in a chain of causes that the system or SQLite gave a code to. */
export function systemError(cause: unknown): { code: string; errcode?: number; message: string } | undefined {
  for (let error = cause; error instanceof Error; error = error.cause) {
    const { code, errcode, message } = error as NodeJS.ErrnoException & { errcode?: number };
    // The lower byte is what SQLite calls the primary result code.
    if (code === 'ERR_SQLITE_ERROR' && errcode !== undefined)
      return { code, errcode: errcode & 0xff, message };
    if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return { code, message };
  }
  return undefined;
}

export type DiskFault = 'full' | 'read_only' | 'failing' | 'damaged';

/** By the system's code, or the number of SQLite's result (sqlite.org/rescode.html). */
const FAULTS: Readonly<Record<string, DiskFault>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  13: 'full',
  EROFS: 'read_only',
  8: 'read_only',
  EIO: 'failing',
  10: 'failing',
  14: 'failing',
  11: 'damaged',
  26: 'damaged',
};

/** What a disk did to whoever got this error; undefined when the error is about something else. */
export function diskFault(cause: unknown): DiskFault | undefined {
  const found = systemError(cause);
  return found && FAULTS[String(found.errcode ?? found.code)];
}

/**
 * A database that is opened by the first who can: a disk that is full or failing when a program starts must not keep
 * it from saying so. Whoever needs it before gets the error that keeps it closed.
 */
export class LateDatabase {
  readonly #make: () => DatabaseSync;
  #database: DatabaseSync | undefined;

  constructor(make: () => DatabaseSync) {
    this.#make = make;
  }

  get isOpen(): boolean {
    return this.#database !== undefined;
  }

  /** @throws what `make` throws. */
  open(): DatabaseSync {
    this.#database ??= this.#make();
    return this.#database;
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }
}

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
