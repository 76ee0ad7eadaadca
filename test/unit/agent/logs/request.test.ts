import { describe, expect, it } from 'vitest';
import type { LogEvent } from '../../../../agent/logs/engine/types.ts';
import { createFilter, formatCursor, parseRequest } from '../../../../agent/logs/request.ts';
import { type AnalyzeLogInput, analyzeLogArgumentsSchema } from '../../../../protocol/log-tools.ts';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const request = (args: Partial<AnalyzeLogInput>) =>
  parseRequest(analyzeLogArgumentsSchema.parse({ log_path: '/log', ...args }), NOW);

describe('what is asked about a log', () => {
  it('is the last 100 lines when nothing is said, and all with a filter', () => {
    expect(request({}).lines).toBe(100);
    expect(request({ lines: 0 }).lines).toBeUndefined();
    expect(request({ since: '1h' }).lines).toBeUndefined();
    expect(request({ grep: 'x' }).lines).toBeUndefined();
    expect(request({ grep: 'x', lines: 7 }).lines).toBe(7);
  });

  it.each([
    ['90s', NOW - 90_000],
    ['2h', NOW - 7_200_000],
    ['2026-01-30T00:00:00Z', Date.parse('2026-01-30T00:00:00Z')],
    ['2026-01-30 10:00:00,5+01:00', Date.parse('2026-01-30T09:00:00.500Z')],
    ['2026-01-30', new Date(2026, 0, 30).getTime()],
  ])('since %s', (since, ms) => {
    expect(request({ since }).sinceMs).toBe(ms);
  });

  it.each([
    { since: 'yesterday' },
    { since: '90' },
    { since: '2026-13-01' },
    { compare_to: '1h' },
    { since: '2h', compare_to: '1h' },
    { since: '1h', until: '2h' },
    { cursor: 'x' },
  ])('is refused: %j', (args) => {
    expect(() => request(args)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  it('goes on with the time and the file of the first answer', () => {
    const cursor = formatCursor(request({}), 40, '12.345');
    expect(
      parseRequest(
        { ...analyzeLogArgumentsSchema.parse({ log_path: '/log', since: '1h', cursor }) },
        NOW + 9e6,
      ),
    ).toMatchObject({
      skip: 40,
      nowMs: NOW,
      sinceMs: NOW - 3_600_000,
      anchor: '12.345',
    });
  });
});

describe('filters', () => {
  const event = (more: Partial<LogEvent>): LogEvent => ({
    line: 1,
    lines: 1,
    timeMs: NOW,
    level: 'info',
    levelSource: 'field',
    text: 'a text',
    message: 'a text',
    continuation: [],
    pattern: 0,
    ...more,
  });

  it('sort by time into the window, the one before and the rest; what bears no time goes with what came before it', () => {
    const filter = createFilter(request({ since: '1h', compare_to: '2h', until: '10m' }));
    const at = (minutes: number) => filter(event({ timeMs: NOW - minutes * 60_000 }));
    expect([at(121), at(119), at(60), at(10), at(9)]).toEqual(['out', 'before', 'now', 'now', 'out']);
    expect(at(30)).toBe('now');
    expect(filter(event({ timeMs: undefined }))).toBe('now');
  });

  it('let through what is severe enough', () => {
    const filter = createFilter(request({ level: 'warning' }));
    const levels = ['fatal', 'error', 'warning', 'info', 'debug', 'unknown'] as const;
    expect(levels.filter((level) => filter(event({ level })) === 'now')).toEqual([
      'fatal',
      'error',
      'warning',
    ]);
  });

  it('search the text and the trace, in linear time', () => {
    const filter = createFilter(request({ grep: '(?i)TEXT|refused' }));
    expect(filter(event({}))).toBe('now');
    expect(filter(event({ text: 'x', continuation: ['connection refused'] }))).toBe('now');
    expect(filter(event({ text: 'x' }))).toBe('out');
    const plain = createFilter(request({ grep: 'a text' }));
    expect(plain(event({}))).toBe('now');
    expect(createFilter(request({ grep: '(a+)+$' }))(event({ text: `${'a'.repeat(50_000)}!` }))).toBe('out');
    expect(() => createFilter(request({ grep: '(?=x)' }))).toThrow(/not a valid RE2/);
  });
});
