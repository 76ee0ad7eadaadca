import { describe, expect, it } from 'vitest';
import { createLogEngine } from '../../../../../agent/logs/engine/engine.ts';
import type { LogEvent } from '../../../../../agent/logs/engine/types.ts';
import { isoOf, linesOf, NOW, randomNumbers, readLog } from './read-log.ts';

const repeat = (count: number, line: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => line(i));

describe('times without a year', () => {
  it('are of the last year in which they are not to come', () => {
    const { events, engine } = readLog([
      'Dec 31 23:59:59 h app: a',
      'Jan  1 00:00:01 h app: b',
      'Nov 27 11:00:00 h app: c',
    ]);
    expect(events.map(isoOf)).toEqual([
      '2025-12-31T23:59:59.000Z',
      '2026-01-01T00:00:01.000Z',
      '2026-11-27T11:00:00.000Z',
    ]);
    expect(engine.format()).toMatchObject({ yearInferred: true, zoneInferred: true });
  });

  it('are of the year that messages quote', () => {
    const { events } = readLog(
      repeat(9, (i) => `Jul  ${i + 1} 10:00:00 h app: seen at Sun Jul  ${i + 1} 10:00:00 2011`),
    );
    expect(isoOf(events[0])).toBe('2011-07-01T10:00:00.000Z');
  });

  it('may be of a leap day', () => {
    expect(isoOf(readLog(repeat(3, () => 'Feb 29 10:00:00 h app: a')).events[0])).toBe(
      '2024-02-29T10:00:00.000Z',
    );
  });

  it('are taken to UTC as the caller says', () => {
    const { events } = readLog(['2024-03-05 01:00:00 INFO a', '2024-03-05 01:00:00 INFO b'], {
      toUtcMs: (wall) => wall - 3_600_000,
    });
    expect(isoOf(events[0])).toBe('2024-03-05T00:00:00.000Z');
  });
});

describe('levels', () => {
  it('are guessed from words where there is no field', () => {
    const { events } = readLog([
      'connection refused',
      'all is well',
      'this is deprecated',
      'kernel panic now',
    ]);
    expect(events.map(({ level, levelSource }) => [level, levelSource])).toEqual([
      ['error', 'words'],
      ['unknown', 'none'],
      ['warning', 'words'],
      ['fatal', 'words'],
    ]);
  });

  it('are guessed from a stack', () => {
    const { events } = readLog(['job went on', '\tat a.B.c(B.java:1)', 'Caused by: a.SomeException', 'x']);
    expect(events[0]).toMatchObject({ level: 'error', lines: 3 });
  });
});

describe('events', () => {
  it('come in order and hold every line once', () => {
    const random = randomNumbers(3);
    const lines = repeat(5000, (i) =>
      random(5) === 0 ? `\tat f${i}` : `2024-03-05 01:00:00 INFO line ${i}`,
    );
    const { events } = readLog(lines);
    let next = 1;
    for (const event of events) {
      expect(event.line).toBe(next);
      next += event.lines;
    }
    expect(next).toBe(lines.length + 1);
  });

  it('are held until the sample is full, and sent at once by flush', () => {
    const events: LogEvent[] = [];
    const engine = createLogEngine({ nowMs: NOW, onEvent: (event) => events.push(event) });
    engine.push('a 1');
    expect(events).toHaveLength(0);
    engine.flush();
    expect(events).toHaveLength(1);
    engine.push('a 2');
    engine.flush();
    expect(events).toHaveLength(2);
    engine.end();
    expect(events).toHaveLength(2);
    expect(engine.patterns()).toMatchObject([{ template: 'a <num>', count: 2 }]);
  });

  it('of nothing are none', () => {
    const { events, engine } = readLog([]);
    expect(events).toEqual([]);
    expect(engine.patterns()).toEqual([]);
    expect(engine.format().name).toBe('plain');
  });

  it('may be blank, without a break at the end, or very long', () => {
    const { events } = readLog([
      '',
      '   ',
      'x',
      '\0\ufffd',
      `${'y'.repeat(3_000_000)} ${'1 a,'.repeat(100_000)}`,
    ]);
    expect(linesOf(events)).toBe(5);
  });
});

describe('patterns', () => {
  it('have the same ids in every run, whatever came between', () => {
    const lines = repeat(100, (i) => `user u${i}77 came from 10.0.0.${i}`);
    const first = readLog(lines).engine.patterns();
    const second = readLog(['something else', ...lines.reverse(), 'at last 5 ms']).engine.patterns();
    expect(first).toHaveLength(1);
    expect(second.map(({ id }) => id)).toContain(first[0]?.id);
    expect(first[0]?.id).toMatch(/^[\da-f]{12}$/);
  });

  it('type their values and keep examples and the most frequent ones', () => {
    const { engine } = readLog(
      repeat(
        90,
        (i) =>
          `GET /a/${i % 7}/b from 10.0.0.${i % 3} took ${i}ms id=${`${i}`.padStart(8, 'a')} job 6fa459ea-ee8a-3ca4-894e-db77e160355e`,
      ),
    );
    const [pattern] = engine.patterns();
    expect(pattern?.template).toBe('GET <path> from <ip> took <duration> id=<hex> job <uuid>');
    expect(pattern?.parameters[1]).toEqual({
      type: 'ip',
      examples: ['10.0.0.0', '10.0.0.1', '10.0.0.2'],
      top: ['10.0.0.0', '10.0.0.1', '10.0.0.2'].map((value) => ({ value, count: 30 })),
      distinct: 3,
      more: false,
    });
    expect(pattern?.parameters[2]?.more).toBe(true);
  });

  it('do not hang on how many things a list holds', () => {
    const { templates } = readLog(
      repeat(
        30,
        (i) => `deleting blocks ${repeat((i % 9) + 1, (k) => `blk_${i}${k}99`).join(i % 2 ? ' ' : ', ')}`,
      ),
    );
    expect(templates).toEqual(['deleting blocks <*>']);
  });

  it('take stars in a list for numbers that are not known, and tildes for parts of a name', () => {
    expect(readLog(['fans ( 10 **** 30 )', 'fans ( 10 20 30 )']).templates).toEqual(['fans ( <*> )']);
    expect(readLog(['got pkg_1~amd64~~6.1 now', 'got pkg_1~amd64~en-US~6.1 now']).templates).toEqual([
      'got <*> now',
    ]);
  });

  it('are one where many words stand in one place, and several where few do', () => {
    const names = ['anna', 'bert', 'carl', 'dora', 'emil', 'fritz'];
    expect(readLog(repeat(60, (i) => `mail for ${names[i % 6]} was sent`)).templates).toEqual([
      'mail for <*> was sent',
    ]);
    expect(readLog(repeat(60, (i) => `the door is ${i % 2 ? 'open' : 'closed'} now`)).templates).toHaveLength(
      2,
    );
    expect(readLog(repeat(60, (i) => `session closed for user ${names[i % 3]}`)).templates).toEqual([
      'session closed for user <*>',
    ]);
  });

  it('resolve what events were given before they were joined', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const { events, engine } = readLog(
      repeat(3000, (i) => `the thing ${letters[i % 26]}${letters[(i * 7) % 26]}${letters[i % 25]} is gone`),
      { maxPatterns: 50 },
    );
    expect(new Set(events.map(({ pattern }) => engine.pattern(pattern).id)).size).toBe(1);
    expect(engine.patterns()).toMatchObject([{ template: 'the thing <*> is gone', count: 3000 }]);
  });

  it('stay few in a log of noise, and count all of it', () => {
    const random = randomNumbers(5);
    const word = () => repeat(2 + random(6), () => String.fromCharCode(97 + random(26))).join('');
    const { engine, events } = readLog(
      repeat(20_000, () => repeat(1 + random(8), word).join(' ')),
      { maxPatterns: 200 },
    );
    const patterns = engine.patterns();
    expect(patterns.length).toBeLessThanOrEqual(230);
    expect(patterns.reduce((sum, { count }) => sum + count, 0)).toBe(20_000);
    for (const { pattern } of events.slice(0, 50)) expect(engine.pattern(pattern).count).toBeGreaterThan(0);
  });
});

describe('forms that turn out the same when they are joined', () => {
  it('keep every index that an event was given', () => {
    const below = randomNumbers(1);
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const blob = () => Array.from({ length: 54 }, () => letters[below(64)]).join('');
    const { events, engine } = readLog(
      repeat(4000, () => `2026-11-27 10:00:00 INFO blob ${blob()}==`),
      { maxPatterns: 300 },
    );
    const templates = new Set(events.map(({ pattern }) => engine.pattern(pattern).template));
    expect(templates.size).toBeGreaterThan(0);
    expect(engine.patterns().reduce((sum, { count }) => sum + count, 0)).toBe(4000);
  });
});
