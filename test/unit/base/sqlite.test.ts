import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inTransaction, migrate, openDatabase } from '../../../base/sqlite.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sqlite-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the embedded database', () => {
  it('reaches the disk with each commit, in a write-ahead log', () => {
    const database = openDatabase(join(dir, 'a.db'));
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
    expect(database.prepare('PRAGMA foreign_keys').get()).toEqual({ foreign_keys: 1 });
    database.close();
  });

  it('applies each migration once and refuses a schema from the future', () => {
    const database = openDatabase(join(dir, 'a.db'));
    migrate(database, ['CREATE TABLE a (x)']);
    migrate(database, ['CREATE TABLE a (x)', 'CREATE TABLE b (x)']);
    expect(database.prepare('SELECT count(*) AS n FROM b').get()).toEqual({ n: 0 });
    expect(() => migrate(database, ['CREATE TABLE a (x)'])).toThrow(/newer version/);
    database.close();
  });

  it('leaves nothing of a transaction that throws', () => {
    const database = openDatabase(join(dir, 'a.db'));
    migrate(database, ['CREATE TABLE a (x)']);
    expect(() =>
      inTransaction(database, () => {
        database.exec('INSERT INTO a VALUES (1)');
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(database.prepare('SELECT count(*) AS n FROM a').get()).toEqual({ n: 0 });
    database.close();
  });
});
