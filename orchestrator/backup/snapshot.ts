import { backup, DatabaseSync } from 'node:sqlite';

/** What the manifest says of the store. */
export interface SnapshotFacts {
  schema: string;
  caFingerprint: string;
  organizations: number;
  agents: number;
}

/** Pages in one step; between two the progress is told. */
const STEP_PAGES = 1000;

/**
 * Copies a store that others write to meanwhile: one read transaction is open from the first page to the last, so
 * that all are of one moment, and writers go on beside it. `taken` is called when that moment has been fixed.
 */
export async function copyStore(
  from: string,
  to: string,
  options: { taken(): void; progress?: (done: number, total: number) => void },
): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true });
  try {
    source.exec('PRAGMA busy_timeout=5000; BEGIN');
    source.prepare('SELECT count(*) FROM settings').get();
    options.taken();
    await backup(source, to, {
      rate: STEP_PAGES,
      progress: ({ totalPages, remainingPages }) =>
        options.progress?.(totalPages - remainingPages, totalPages),
    });
    source.exec('COMMIT');
  } finally {
    source.close();
  }
}

/** Checks a copy, and makes one file of it that stands by itself. @throws when it is damaged. */
export function checkStore(file: string): SnapshotFacts {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL');
    const verdict = String(database.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check']);
    if (verdict !== 'ok') throw new Error(`the store is damaged: ${verdict}`);
    const one = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0];
    // A program that is newer than the data may be asked: there was one root then.
    const hasStates = one("SELECT 1 FROM pragma_table_info('certificate_authorities') WHERE name = 'state'");
    const roots = hasStates === undefined ? "kind = 'root'" : "kind = 'root' AND state = 'active'";
    return {
      schema: String(one('SELECT max(name) FROM kysely_migration')),
      caFingerprint: String(
        one(`SELECT fingerprint FROM certificate_authorities WHERE ${roots} ORDER BY created_at DESC`),
      ),
      organizations: Number(one('SELECT count(*) FROM organizations')),
      agents: Number(one("SELECT count(*) FROM agents WHERE state <> 'revoked'")),
    };
  } finally {
    database.close();
  }
}
