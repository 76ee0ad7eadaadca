import { describe, expect, it } from 'vitest';
import { type Check, fail, mostLikelyCause, ok, skipped, warn } from '../../../../cli/checks/check.ts';
import { AppError } from '../../../../protocol/errors.ts';
import { findingsOf } from '../../../fakes/fake-bench.ts';

const check = (id: string, of: Partial<Check<void>> = {}): Check<void> => ({
  id,
  title: `the ${id}`,
  run: async () => ok('holds'),
  ...of,
});
const broken = (id: string, of: Partial<Check<void>> = {}) =>
  check(id, { run: async () => fail('broken', 'mend it'), ...of });

const all = async (checks: readonly Check<void>[], mode?: 'look' | 'plan' | 'fix') =>
  findingsOf(checks, undefined, mode);

describe('a list of checks', () => {
  it('skips what needs a failed one, naming the root of it', async () => {
    const found = await all([
      broken('dns'),
      check('tcp', { needs: ['dns'] }),
      check('tls', { needs: ['tcp'] }),
    ]);
    expect(found.map(({ id, result, waits_for }) => [id, result, waits_for])).toEqual([
      ['dns', 'fail', undefined],
      ['tcp', 'skipped', 'dns'],
      ['tls', 'skipped', 'dns'],
    ]);
    expect(found[2]?.detail).toBe('waits for the dns (dns)');
  });

  it('tries what only follows others when those were not tried themselves', async () => {
    const aside = check('aside', { run: async () => skipped('not here') });
    const found = await all([
      aside,
      check('after', { after: ['aside'] }),
      check('needs', { needs: ['aside'] }),
    ]);
    expect(found.map(({ result }) => result)).toEqual(['skipped', 'ok', 'skipped']);
  });

  it('does not wait for a warning, nor for what is not in the list', async () => {
    const found = await all([
      check('old', { run: async () => warn('old') }),
      check('next', { needs: ['old', 'elsewhere'] }),
    ]);
    expect(found.map(({ result }) => result)).toEqual(['warn', 'ok']);
  });

  it('takes what a check throws for its finding, and a file that may not be read for none', async () => {
    const throwing = (id: string, cause: unknown) => check(id, { run: () => Promise.reject(cause) });
    const denied = Object.assign(new Error('EACCES'), { code: 'EACCES', path: '/x' });
    const found = await all([
      throwing('a', new AppError('clock_skew', { detail: 'late', hint: 'set it' })),
      throwing('b', denied),
      throwing('c', new Error('odd')),
    ]);
    expect(found).toMatchObject([
      { result: 'fail', detail: 'late', hint: 'set it' },
      { result: 'skipped', detail: 'you may not read /x' },
      { result: 'fail', detail: 'odd' },
    ]);
  });

  it('names the first failure as the cause, else the first warning', async () => {
    const early = check('early', { run: async () => warn('early') });
    expect(mostLikelyCause(await all([early, broken('one'), broken('two')]))?.id).toBe('one');
    expect(mostLikelyCause(await all([check('fine'), early]))?.id).toBe('early');
    expect(mostLikelyCause(await all([check('fine')]))).toBeUndefined();
  });
});

describe('repairs', () => {
  const mendable = (works: boolean) => {
    let mended = false;
    let applied = 0;
    const it = check('thing', {
      run: async () =>
        mended
          ? ok('holds again')
          : fail('broken', 'mend it', {
              what: 'mend the thing',
              async apply() {
                applied++;
                if (!works) throw new Error('no tools');
                mended = true;
              },
            }),
    });
    return { it, applied: () => applied };
  };

  it('are made once, checked, and let what waited go on', async () => {
    const { it: thing } = mendable(true);
    expect(await all([thing, check('next', { needs: ['thing'] })], 'fix')).toMatchObject([
      { result: 'ok', detail: 'holds again', repaired: 'mend the thing' },
      { result: 'ok' },
    ]);
  });

  it('are only named by a plan', async () => {
    const { it: thing, applied } = mendable(true);
    expect(await all([thing], 'plan')).toMatchObject([{ result: 'fail', would: 'mend the thing' }]);
    expect(applied()).toBe(0);
  });

  it('say why they failed', async () => {
    const { it: thing } = mendable(false);
    expect(await all([thing], 'fix')).toMatchObject([
      { result: 'fail', detail: 'broken; the repair failed: no tools' },
    ]);
  });
});
