import { describe, expect, it } from 'vitest';
import type { LogEvent } from '../../../../../agent/logs/engine/types.ts';
import { ErrorGroups, originOf } from '../../../../../agent/logs/insights/error-groups.ts';

const event = (more: Partial<LogEvent>): LogEvent => ({
  line: 1,
  lines: 1,
  timeMs: 1000,
  level: 'error',
  levelSource: 'field',
  text: 'it failed',
  message: 'it failed',
  continuation: [],
  pattern: 0,
  ...more,
});
const java = (line: number) => [
  'java.io.IOException: gone',
  `\tat com.acme.Io.read(Io.java:${line})`,
  '\tat com.acme.Main.run(Main.java:5)',
];

describe('where an error came from', () => {
  it('is the exception and the frame that threw, whatever the line numbers are', () => {
    expect(originOf(java(10))).toBe(originOf(java(99)));
    expect(originOf(java(10))).not.toBe(
      originOf([...java(10), 'Caused by: java.net.ConnectException: refused']),
    );
    expect(
      originOf([
        'Traceback (most recent call last):',
        '  File "/a.py", line 1, in run',
        '  File "/b.py", line 2, in get',
        'KeyError: 1',
      ]),
    ).toBe('KeyError|File "/b.py", line #, in get');
    expect(originOf(['    at open (/srv/app/db.js:10:3)', '    at main (/srv/app/index.js:1:1)'])).toContain(
      'db.js',
    );
    expect(originOf(['goroutine 1 [running]:', 'main.get(0xc000)', '\t/srv/main.go:12 +0x1d'])).toContain(
      'main.go',
    );
    expect(originOf([])).toBe('|');
  });
});

describe('error groups', () => {
  it('count the same error from the same place, fatal ones first', () => {
    const groups = new ErrorGroups();
    for (const n of [1, 2, 3]) groups.add(event({ line: n, timeMs: n * 1000, continuation: java(n) }));
    groups.add(event({ line: 4, continuation: ['java.lang.Error: other'] }));
    groups.add(event({ line: 5, pattern: 1, level: 'fatal', text: 'out of memory' }));
    expect(groups.groups((index) => `p${index}`)).toMatchObject([
      { pattern: 'p1', count: 1, level: 'fatal', text: 'out of memory' },
      { pattern: 'p0', count: 3, line: 1, firstMs: 1000, lastMs: 3000, stack: java(1) },
      { pattern: 'p0', count: 1, line: 4 },
    ]);
  });

  it('add up those of patterns that turned out to be one', () => {
    const groups = new ErrorGroups();
    groups.add(event({ pattern: 0 }));
    groups.add(event({ pattern: 7 }));
    expect(groups.groups(() => 'same')).toMatchObject([{ pattern: 'same', count: 2 }]);
  });

  it('stay bounded, and count every error all the same', () => {
    const groups = new ErrorGroups();
    for (let n = 0; n < 3000; n++) groups.add(event({ continuation: [`Failure${n}Error: x`] }));
    const found = groups.groups(String);
    expect(found.length).toBeLessThanOrEqual(501);
    expect(found.reduce((sum, { count }) => sum + count, 0)).toBe(3000);
  });

  it('keep the beginning of a long trace, and why it happened', () => {
    const groups = new ErrorGroups();
    const frames = Array.from({ length: 60 }, (_, n) => `\tat com.acme.F${n}.run(F.java:1)`);
    groups.add(
      event({
        continuation: [
          'com.acme.AppException: x',
          ...frames,
          'Caused by: java.net.ConnectException: refused',
          '\t... 9 more',
        ],
      }),
    );
    const [group] = groups.groups(String);
    expect(group?.stack.length).toBeLessThanOrEqual(13);
    expect(group?.stack[0]).toContain('AppException');
    expect(group?.stack.at(-1)).toContain('ConnectException: refused');
  });
});
