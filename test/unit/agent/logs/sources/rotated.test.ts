import { describe, expect, it } from 'vitest';
import { rotatedNames } from '../../../../../agent/logs/sources/rotated.ts';

describe('the older files of a log', () => {
  it.each([
    ['syslog', ['syslog.10.gz', 'syslog.1', 'syslog.2.gz'], ['syslog.1', 'syslog.2.gz', 'syslog.10.gz']],
    [
      'app.log',
      ['app.log.0', 'app.log.1.xz', 'app.log.2.zst'],
      ['app.log.0', 'app.log.1.xz', 'app.log.2.zst'],
    ],
    ['app.log', ['app.2.log', 'app.1.log', 'app.3.log.gz'], ['app.1.log', 'app.2.log', 'app.3.log.gz']],
    [
      'messages',
      ['messages-20260105.gz', 'messages-20260112', 'messages-20251229.gz'],
      ['messages-20260112', 'messages-20260105.gz', 'messages-20251229.gz'],
    ],
    [
      'app.log',
      ['app-2026-01-01.log', 'app.log.2026-01-03', 'app.2026-01-02.log.gz', 'app.log-2026-01-04-13'],
      ['app.log-2026-01-04-13', 'app.log.2026-01-03', 'app.2026-01-02.log.gz', 'app-2026-01-01.log'],
    ],
    ['x.log', ['x.log.old', 'x.log.1'], ['x.log.old', 'x.log.1']],
    ['x.log', ['x.log-20260101', 'x.log.1'], ['x.log.1', 'x.log-20260101']],
  ])('%s: %j', (base, names, wanted) => {
    expect(rotatedNames(base, [base, ...names])).toEqual(wanted);
  });

  it('leaves other logs alone', () => {
    const others = [
      'app-1.log',
      'app.log.bak',
      'app2.log',
      'app.log.1.tmp',
      'other.log.1',
      'app.log.offset',
      'xapp.log.1',
    ];
    expect(rotatedNames('app.log', ['app.log', ...others])).toEqual([]);
  });

  it('takes characters of the name as they are', () => {
    expect(rotatedNames('a+b(c).log', ['a+b(c).log.1', 'aab(c).log.1'])).toEqual(['a+b(c).log.1']);
  });
});
