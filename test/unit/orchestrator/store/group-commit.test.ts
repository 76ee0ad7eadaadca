import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGroupCommit } from '../../../../orchestrator/store/group-commit.ts';
import { openStore, type Store, type Tx } from '../../../../orchestrator/store/store.ts';

let directory: string;
let store: Store;
let transactions: number;
let counting: Pick<Store, 'transaction'>;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'commits-'));
  store = await openStore(join(directory, 'store.db'));
  transactions = 0;
  counting = {
    transaction: (work) => {
      transactions += 1;
      return store.transaction(work);
    },
  };
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

const put = (key: string) => (tx: Tx) => tx.insertInto('settings').values({ key, value: '' }).execute();
const keys = async () =>
  (await store.db.selectFrom('settings').select('key').orderBy('key').execute()).map(({ key }) => key);

describe('pieces of work that come together', () => {
  it('share a transaction', async () => {
    const commits = createGroupCommit(counting);
    await Promise.all(['a', 'b', 'c'].map((key) => commits.run(put(key))));
    expect(await keys()).toEqual(['a', 'b', 'c']);
    expect(transactions).toBe(1);
  });

  it('run in order, and tell of their commit in that order before anybody goes on', async () => {
    const commits = createGroupCommit(counting);
    const seen: string[] = [];
    await Promise.all(
      ['a', 'b'].map((key) =>
        commits.run(put(key), () => seen.push(`committed ${key}`)).then(() => seen.push(key)),
      ),
    );
    expect(seen).toEqual(['committed a', 'committed b', 'a', 'b']);
  });

  it('do not fail for each other', async () => {
    const commits = createGroupCommit(counting);
    const told: string[] = [];
    const outcomes = await Promise.allSettled([
      commits.run(put('a'), () => told.push('a')),
      commits.run(async (tx) => {
        await put('broken')(tx);
        throw new Error('no');
      }),
      commits.run(put('b'), () => told.push('b')),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await keys()).toEqual(['a', 'b']);
    expect(told).toEqual(['a', 'b']);
  });

  it('that come while one is written share the next', async () => {
    const commits = createGroupCommit(counting);
    const later: Promise<unknown>[] = [];
    await commits.run(async (tx) => {
      for (const key of ['b', 'c', 'd']) later.push(commits.run(put(key)));
      await put('a')(tx);
    });
    await Promise.all(later);
    expect(transactions).toBe(2);
    await commits.idle();
    expect(await keys()).toEqual(['a', 'b', 'c', 'd']);
  });
});
