import { describe, expect, it } from 'vitest';
import { isoOf, linesOf, readLog } from './read-log.ts';

const repeat = (count: number, line: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => line(i));
const AT = '2024-03-05T01:00:07.123Z';

describe('JSON lines', () => {
  it('give time, level, message and names of the common loggers', () => {
    const { events, engine } = readLog([
      `{"level":30,"time":${Date.parse(AT)},"pid":7,"hostname":"web-1","name":"api","msg":"request 1 done"}`,
      `{"severity":"ERROR","@timestamp":"${AT}","logger":"a.B","thread":"main","message":"request 2 done"}`,
      `{"ts":${Date.parse(AT) / 1000},"level":"warn","caller":"x.go:1","msg":"request 3 done"}`,
      `{"timestamp":"2024-03-05 01:00:07.123","log":{"level":"debug"},"fields":{"message":"request 4 done"}}`,
    ]);
    expect(engine.format().name).toBe('json');
    expect(events.map(isoOf)).toEqual([AT, AT, AT, AT]);
    expect(events.map(({ level }) => level)).toEqual(['info', 'error', 'warning', 'debug']);
    expect(events[0]).toMatchObject({ host: 'web-1', pid: '7', component: 'api', levelSource: 'field' });
    expect(engine.patterns().map(({ template, count }) => [template, count])).toEqual([
      ['request <num> done', 4],
    ]);
  });

  it('keep a stack apart from the message, and text between them', () => {
    const { events } = readLog([
      '{"level":"error","msg":"broken","err":{"message":"x","stack":"Error: x\\n    at f (a.js:1:2)"}}',
      'Listening on 80',
      '{"level":"info","msg":"ok"}',
      '{"level":"info","msg":"ok"}',
      '{"level":"info","msg":"ok"}',
    ]);
    expect(events[0]).toMatchObject({ message: 'broken', continuation: ['Error: x', '    at f (a.js:1:2)'] });
    expect(events[1]).toMatchObject({ message: 'Listening on 80' });
    expect(linesOf(events)).toBe(5);
  });

  it('without a message show their fields', () => {
    const { templates } = readLog(repeat(3, (i) => `{"level":"info","user":"u${i}${i}9","took":${i}}`));
    expect(templates).toEqual(['user=<*> took=<num>']);
  });
});

describe('the journal', () => {
  it('is read as JSON', () => {
    const { events, engine } = readLog(
      repeat(
        3,
        (i) =>
          `{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"${Date.parse(AT)}000","PRIORITY":"${i + 2}","_HOSTNAME":"web-1","SYSLOG_IDENTIFIER":"sshd","_PID":"${i}","MESSAGE":[104,105]}`,
      ),
    );
    expect(engine.format().name).toBe('journal-json');
    expect(events.map(({ level }) => level)).toEqual(['fatal', 'error', 'warning']);
    expect(events[0]).toMatchObject({ host: 'web-1', process: 'sshd', pid: '0', message: 'hi' });
    expect(isoOf(events[0])).toBe(AT);
  });

  it('is read in its export format, an event for each entry', () => {
    const lines = repeat(4, (i) =>
      [
        `__CURSOR=s=${i}`,
        `__REALTIME_TIMESTAMP=${Date.parse(AT)}000`,
        'PRIORITY=4',
        '_HOSTNAME=web-1',
        'SYSLOG_IDENTIFIER=kernel',
        `MESSAGE=link ${i} is down`,
        '',
      ].join('\n'),
    )
      .join('\n')
      .split('\n');
    const { events, engine, templates } = readLog(lines);
    expect(engine.format().name).toBe('journal-export');
    expect(events).toHaveLength(4);
    expect(linesOf(events)).toBe(lines.length);
    expect(events[3]).toMatchObject({ level: 'warning', process: 'kernel', message: 'link 3 is down' });
    expect(isoOf(events[3])).toBe(AT);
    expect(templates).toEqual(['link <num> is down']);
  });
});

describe('logfmt', () => {
  it('gives time, level and the quoted message', () => {
    const { events, engine, templates } = readLog(
      repeat(
        5,
        (i) => `time="${AT}" level=${i ? 'info' : 'error'} msg="pulled image \\"a:${i}\\"" size=${i}`,
      ),
    );
    expect(engine.format().name).toBe('logfmt');
    expect(events[0]).toMatchObject({ level: 'error', message: 'pulled image "a:0"' });
    expect(isoOf(events[0])).toBe(AT);
    expect(templates).toEqual(['pulled image "a:<num>"']);
  });
});

describe('access logs', () => {
  const line = (i: number, status: number, path: string) =>
    `10.0.0.${i} - - [05/Mar/2024:01:00:07 +0200] "GET ${path} HTTP/1.1" ${status} ${i * 7} "-" "Agent/${i} (X; Y)"`;

  it('are grouped by method and status, their paths being values', () => {
    const { events, engine } = readLog([
      ...repeat(6, (i) => line(i, 200, `/a/${i}?q=x(1)`)),
      line(7, 200, '/'),
      line(8, 404, '/wp-login.php'),
      line(9, 503, '/a/b,c'),
    ]);
    expect(engine.format().name).toBe('access');
    expect(engine.patterns().map(({ template, count }) => [template, count])).toEqual([
      ['GET <path> 200', 7],
      ['GET <path> 404', 1],
      ['GET <path> 503', 1],
    ]);
    expect(events.map(({ level }) => level).slice(6)).toEqual(['info', 'warning', 'error']);
    expect(events[0]).toMatchObject({ host: '10.0.0.0' });
    expect(isoOf(events[0])).toBe('2024-03-04T23:00:07.000Z');
  });

  it('may begin with the name of the virtual host, and hold requests that are none', () => {
    const { events } = readLog([
      ...repeat(6, (i) => `shop.example ${line(i, 200, '/')}`),
      '1.2.3.4 - - [05/Mar/2024:01:00:07 +0200] "\\x16\\x03\\x01" 400 226',
    ]);
    expect(events[0]).toMatchObject({ host: '10.0.0.0' });
    expect(events[6]).toMatchObject({ level: 'warning', host: '1.2.3.4' });
  });
});

describe('CSV', () => {
  it('is understood by its line of names', () => {
    const { events, engine } = readLog([
      'Date,Level,Host,Message',
      ...repeat(9, (i) => `2024-03-05 01:00:07.123,Error,web-1,"disk ${i} is full, clean up"`),
    ]);
    expect(engine.format().name).toBe('csv');
    expect(events[1]).toMatchObject({ level: 'error', host: 'web-1', message: 'disk 0 is full, clean up' });
    expect(isoOf(events[1])).toBe(AT);
  });

  it('is understood without one', () => {
    const { events, templates } = readLog(
      repeat(9, (i) => `${i};2024-03-05T01:00:07Z;7;user ${i} came in;x`),
    );
    expect(events[2]).toMatchObject({ message: 'user 2 came in' });
    expect(templates).toEqual(['user <num> came in']);
  });
});

describe('lines that belong together', () => {
  const head = (i: number) => `2024-03-05 01:00:0${i % 10},000 INFO app - `;

  it.each([
    [
      'Java',
      [
        'java.lang.IllegalStateException: no',
        '\tat a.B.c(B.java:1)',
        'Caused by: java.io.IOException: x',
        '\t... 3 more',
      ],
    ],
    [
      'Python',
      ['Traceback (most recent call last):', '  File "a.py", line 1, in f', '    g()', 'ValueError: no'],
    ],
    ['Go', ['panic: no', '', 'goroutine 1 [running]:', 'main.f(0x1)', '\t/a/b.go:1 +0x1', 'exit status 2']],
    ['Node', ['TypeError: no', '    at f (/a/b.js:1:2)', '    at node:internal/x:1:2 {', "  code: 'E'", '}']],
  ])('are one event: a stack of %s under a header', (_, stack) => {
    const lines = [
      ...repeat(20, (i) => `${head(i)}fine ${i}`),
      `${head(1)}it broke`,
      ...stack,
      `${head(2)}goes on`,
    ];
    const { events } = readLog(lines);
    expect(events).toHaveLength(22);
    expect(events[20]).toMatchObject({
      line: 21,
      lines: stack.length + 1,
      message: 'it broke',
      continuation: stack,
    });
    expect(linesOf(events)).toBe(lines.length);
  });

  it.each([
    ['Java', ['Exception in thread "main" a.B: no', '\tat a.B.c(B.java:1)', 'Caused by: x', '\t... 3 more']],
    [
      'Python',
      ['Traceback (most recent call last):', '  File "a.py", line 1, in f', '    g()', 'ValueError: no'],
    ],
    ['Go', ['goroutine 1 [running]:', 'main.f(0x1)', '\t/a/b.go:1 +0x1', 'exit status 2']],
    ['Node', ['TypeError: no', '    at f (/a/b.js:1:2)', '    at node:internal/x:1:2']],
  ])('are one event: a stack of %s in plain text', (_, stack) => {
    const { events } = readLog(['it starts', ...stack, 'and goes on', 'to the end']);
    expect(events.map(({ text }) => text).slice(-2)).toEqual(['and goes on', 'to the end']);
    expect(events.map(({ text }) => text)).not.toContain(stack.at(-1));
    expect(linesOf(events)).toBe(stack.length + 3);
  });

  it('are counted even where too many to be kept', () => {
    const { events } = readLog([
      `${head(1)}broken`,
      ...repeat(1000, (i) => `\tat a.B.c(B.java:${i})`),
      `${head(2)}on`,
    ]);
    expect(events[0]?.lines).toBe(1001);
    expect(events[0]?.continuation).toHaveLength(200);
  });
});
