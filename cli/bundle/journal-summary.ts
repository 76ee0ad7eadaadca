import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../base/sqlite.ts';

const MAX_BYTES = 512 * 1024 * 1024;

/**
 * Counts of the journal of commands; none of their texts. The daemon has its database to itself, so that a copy of
 * it is read, which is gone when this returns.
 */
export async function journalSummary(file: string): Promise<Record<string, unknown>> {
  const { size } = await stat(file);
  if (size > MAX_BYTES) return { bytes: size, note: 'too large to be copied' };
  const folder = await mkdtemp(join(tmpdir(), 'vm-agent-bundle-'));
  try {
    const copy = join(folder, 'journal.db');
    await copyFile(file, copy);
    await copyFile(`${file}-wal`, `${copy}-wal`).catch(() => undefined);
    const database = openDatabase(copy);
    try {
      const all = (sql: string) =>
        database
          .prepare(sql)
          .all()
          .map((row) => ({ ...row }));
      return {
        bytes: size,
        commands: all('SELECT state, acknowledged, count(*) AS count FROM command GROUP BY 1, 2'),
        mark: all('SELECT epoch, seq FROM mark'),
        cancels: all('SELECT count(*) AS count FROM cancel'),
      };
    } finally {
      database.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
