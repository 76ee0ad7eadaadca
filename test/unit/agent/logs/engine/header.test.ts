import { describe, expect, it } from 'vitest';
import { isoOf, readLog } from './read-log.ts';

const WORDS = ['alpha', 'beta', 'gamma', 'delta', 'omega', 'kappa'];

/** Fifty lines of which the header is made by `head` and the messages are of three kinds. */
const log = (head: (i: number) => string): string[] =>
  Array.from({ length: 50 }, (_, i) => {
    const word = WORDS[i % WORDS.length];
    const message = [`job ${i} done in ${i * 3} ms`, 'cache is full', `cannot reach peer 10.0.0.${i} now`][
      i % 3
    ];
    return `${head(i)}${i % 7 === 0 ? message : message}`.replace('WORD', word ?? '');
  });

const two = (value: number): string => String(value).padStart(2, '0');
const clock = (i: number): string => `0${Math.floor(i / 60) + 1}:${two(i % 60)}:07`;

interface Case {
  name: string;
  head: (i: number) => string;
  time: string;
  expected: Record<string, unknown>;
}

const CASES: Case[] = [
  {
    name: 'ISO with a zone, level, thread and class',
    head: (i) =>
      `2024-03-05T${clock(i)}.123+02:00 ${i % 2 ? 'INFO ' : 'ERROR'} [worker-${i % 4}] com.acme.WORD: `,
    time: '2024-03-04T23:00:07.123Z',
    expected: { level: 'error', thread: 'worker-0', component: 'com.acme.alpha' },
  },
  {
    name: 'Java with a comma before the milliseconds',
    head: (i) => `2024-03-05 ${clock(i)},456 WARN [main] org.acme.WORD: `,
    time: '2024-03-05T01:00:07.456Z',
    expected: { level: 'warning', thread: 'main', component: 'org.acme.alpha' },
  },
  {
    name: 'Spring Boot',
    head: (i) =>
      `2024-03-05 ${clock(i)}.456  INFO ${4000 + (i % 2)} --- [nio-${i % 3}] c.a.WORD              : `,
    time: '2024-03-05T01:00:07.456Z',
    expected: { level: 'info', pid: '4000', thread: 'nio-0', component: 'c.a.alpha' },
  },
  {
    name: 'Python logging',
    head: (i) => `2024-03-05 ${clock(i)},456 - app.WORD - ERROR - `,
    time: '2024-03-05T01:00:07.456Z',
    expected: { level: 'error', component: 'app.alpha' },
  },
  {
    name: 'syslog with host and process',
    head: (i) => `Mar  5 ${clock(i)} web-1 sshd[${100 + i}]: `,
    time: '2026-03-05T01:00:07.000Z',
    expected: { host: 'web-1', process: 'sshd', pid: '100' },
  },
  {
    name: 'syslog with a priority',
    head: (i) => `<${i % 2 ? 30 : 27}>Mar  5 ${clock(i)} web-1 app[${100 + i}]: `,
    time: '2026-03-05T01:00:07.000Z',
    expected: { level: 'error', host: 'web-1', process: 'app' },
  },
  {
    name: 'RFC 5424',
    head: (i) =>
      `<165>1 2024-03-05T${clock(i)}.003Z web-1 app ${100 + i} ID47 [ex@32473 iut="3" eventID="${i}"] `,
    time: '2024-03-05T01:00:07.003Z',
    expected: { level: 'info', host: 'web-1', process: 'app', pid: '100' },
  },
  {
    name: 'syslog with ISO times',
    head: (i) => `2024-03-05T${clock(i)}.123456+00:00 web-1 WORD[${i}]: `,
    time: '2024-03-05T01:00:07.123Z',
    expected: { host: 'web-1', process: 'alpha', pid: '0' },
  },
  {
    name: 'an error log in brackets',
    head: (i) =>
      `[Tue Mar 05 ${clock(i)}.123456 2024] [core:${i % 2 ? 'notice' : 'error'}] [pid ${i}:tid 1234567890] `,
    time: '2024-03-05T01:00:07.123Z',
    expected: { level: 'error' },
  },
  {
    name: 'glog',
    head: (i) => `${i % 2 ? 'I' : 'E'}0305 ${clock(i)}.123456    ${1000 + (i % 3)} server_WORD.go:${i}] `,
    time: '2026-03-05T01:00:07.123Z',
    expected: { level: 'error', component: 'server_alpha.go:0' },
  },
  {
    name: 'logcat',
    head: (i) => `03-05 ${clock(i)}.123  ${1702 + (i % 2)}  ${2395 + i} ${i % 2 ? 'D' : 'W'} WORD: `,
    time: '2026-03-05T01:00:07.123Z',
    expected: { level: 'warning', pid: '1702', thread: '2395', component: 'alpha' },
  },
  {
    name: 'fields between bars with unpadded times',
    head: (i) => `20240305-1:${i}:7:606|Mod_WORD|3000${i % 2}|`,
    time: '2024-03-05T01:00:07.606Z',
    expected: { component: 'Mod_alpha', pid: '30000' },
  },
  {
    name: 'a level padded up to a component',
    head: (i) => `2024-03-05 ${clock(i)}, Info                  ${i % 2 ? 'ABC' : 'XYZ'}    `,
    time: '2024-03-05T01:00:07.000Z',
    expected: { level: 'info', component: 'XYZ' },
  },
  {
    name: 'two digits for each part of date and time',
    head: (i) => `240305 0100${two(i)} ${100 + i} INFO acme.WORD$Inner: `,
    time: '2024-03-05T01:00:00.000Z',
    expected: { level: 'info', pid: '100', component: 'acme.alpha$Inner' },
  },
  {
    name: 'several times, of which the epoch counts',
    head: (i) =>
      `- ${1709600407 + i} 2024.03.05 r1-n${i % 4} 2024-03-04-17.00.07.675872 r1-n${i % 4} RAS KERNEL ${i % 2 ? 'INFO' : 'FATAL'} `,
    time: '2024-03-05T01:00:07.000Z',
    expected: { level: 'fatal', host: 'r1-n0' },
  },
  {
    name: 'seconds since 1970 in a column',
    head: (i) => `${134000 + i} node-${i % 9} unix.WORD state.change ${1709600407 + i} 1 `,
    time: '2024-03-05T01:00:07.000Z',
    expected: {},
  },
  {
    name: 'a year of two digits first',
    head: (i) => `24/03/05 ${clock(i)} INFO exec.WORD: `,
    time: '2024-03-05T01:00:07.000Z',
    expected: { level: 'info', component: 'exec.alpha' },
  },
  {
    name: 'month and day with a program before a dash',
    head: (i) => `[03.05 ${clock(i)}] WORD.exe - `,
    time: '2026-03-05T01:00:07.000Z',
    expected: { component: 'alpha.exe' },
  },
  {
    name: 'a thread with brackets within',
    head: (i) => `2024-03-05 ${clock(i)},747 - WARN  [Peer[myid=1]/0:0:0:0:0:0:0:0:2181:Election@${i}] - `,
    time: '2024-03-05T01:00:07.747Z',
    expected: { level: 'warning' },
  },
  {
    name: 'a file name before the time and a request after the component',
    head: (i) =>
      `api.log.1.2024-03-05_13:53:08 2024-03-05 ${clock(i)}.008 25746 INFO nova.WORD.server [req-${i} - - -] `,
    time: '2024-03-05T01:00:07.008Z',
    expected: { level: 'info', component: 'nova.alpha.server' },
  },
  {
    name: 'a 12-hour clock',
    head: (i) => `03/25/2024 ${clock(i)} PM INFO `,
    time: '2024-03-25T13:00:07.000Z',
    expected: { level: 'info' },
  },
  {
    name: 'nginx errors',
    head: (i) => `2024/03/05 ${clock(i)} [error] ${1000 + (i % 2)}#0: `,
    time: '2024-03-05T01:00:07.000Z',
    expected: { level: 'error' },
  },
  {
    name: 'MySQL',
    head: (i) => `2024-03-05T${clock(i)}.123456Z ${i} [Note] [MY-01${two(i)}] [Server] `,
    time: '2024-03-05T01:00:07.123Z',
    expected: { level: 'info' },
  },
  {
    name: 'PostgreSQL',
    head: (i) => `2024-03-05 ${clock(i)}.123 UTC [${500 + i}] ERROR:  `,
    time: '2024-03-05T01:00:07.123Z',
    expected: { level: 'error' },
  },
];

describe('header of a log that nobody described', () => {
  it.each(CASES)('is learned: $name', ({ head, time, expected }) => {
    const { events, templates } = readLog(log(head));
    expect(isoOf(events[0])).toBe(time);
    expect(events[0]).toMatchObject({ ...expected, message: 'job 0 done in 0 ms' });
    expect(templates.sort()).toEqual([
      'cache is full',
      'cannot reach peer <ip> now',
      'job <num> done in <duration>',
    ]);
  });

  it('is not seen where lines begin with nothing that they share', () => {
    const { events, engine } = readLog(['one thing happened', 'another: thing', 'Ready.', '12 apples']);
    expect(engine.format().name).toBe('plain');
    expect(events.map(({ message }) => message)).toEqual([
      'one thing happened',
      'another: thing',
      'Ready.',
      '12 apples',
    ]);
  });

  it('does not mind carriage returns', () => {
    const { events } = readLog(log((i) => `2024-03-05 ${clock(i)} INFO `).map((line) => `${line}\r`));
    expect(events[1]?.message).toBe('cache is full');
  });

  it('lets a line be without its program', () => {
    const lines = log((i) => `Mar  5 ${clock(i)} web-1 sshd[${100 + i}]: `);
    lines.splice(5, 0, 'Mar  5 01:05:00 web-1 -- MARK --');
    expect(readLog(lines).events[5]).toMatchObject({ host: 'web-1', message: '-- MARK --' });
  });
});
