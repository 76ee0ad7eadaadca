import { describe, expect, it } from 'vitest';
import {
  bucketsOf,
  levelShares,
  levelTone,
  patternNames,
  scopeText,
  templateParts,
} from '../../../../orchestrator/dashboard/model/log-report.ts';
import type { AnalyzeLog } from '../../../../protocol/log-tools.ts';

const report = (more: Partial<AnalyzeLog> = {}): AnalyzeLog => ({
  log_path: '/var/log/app.log',
  format: 'header',
  fields: [],
  size: 1,
  lines_read: 1200,
  lines_analyzed: 1200,
  continuation_lines: 0,
  whole: true,
  line_numbers: 'file',
  levels: { fatal: 0, error: 3, warning: 0, info: 9, debug: 0, unknown: 0 },
  levels_guessed: 0,
  findings: [],
  errors: [],
  patterns: [],
  masked: {},
  last_lines: [],
  ...more,
});

describe('the histogram of a log', () => {
  it('has a span for each bucket that begins where the last one ended', () => {
    const histogram = {
      start: '2026-01-31T10:00:00.000Z',
      bucket_s: 60,
      lines: [4, 0, 8],
      errors: [1, 0, 0],
      untimed: 0,
    };
    const buckets = bucketsOf({ histogram });
    expect(buckets.map(({ since, until }) => [since, until])).toEqual([
      ['2026-01-31T10:00:00.000Z', '2026-01-31T10:00:59.999Z'],
      ['2026-01-31T10:01:00.000Z', '2026-01-31T10:01:59.999Z'],
      ['2026-01-31T10:02:00.000Z', '2026-01-31T10:02:59.999Z'],
    ]);
    expect(buckets.map(({ height, errorHeight }) => [height, errorHeight])).toEqual([
      [0.5, 0.125],
      [0, 0],
      [1, 0],
    ]);
    expect(buckets[0]?.label).toBe('2026-01-31 10:00:00, 1 min 00 s: 4 lines, 1 of errors');
  });

  it('is missing where lines bear no times, and flat where there are none', () => {
    expect(bucketsOf({})).toEqual([]);
    const histogram = { start: '2026-01-31T10:00:00.000Z', bucket_s: 1, lines: [0], errors: [], untimed: 7 };
    expect(bucketsOf({ histogram })).toMatchObject([{ height: 0, errors: 0 }]);
  });
});

describe('what the log view says', () => {
  it('shows levels that occur, most severe first', () => {
    expect(levelShares(report().levels)).toEqual([
      { level: 'error', count: 3, share: 0.25 },
      { level: 'info', count: 9, share: 0.75 },
    ]);
    expect((['fatal', 'error', 'warning', 'info', 'debug'] as const).map(levelTone)).toEqual([
      'bad',
      'bad',
      'warn',
      'plain',
      'off',
    ]);
  });

  it('tells what varies in a template from text that looks like it', () => {
    expect(templateParts('took <duration> for <b>x</b><*>')).toEqual([
      { text: 'took ', varies: false },
      { text: '<duration>', varies: true },
      { text: ' for <b>x</b>', varies: false },
      { text: '<*>', varies: true },
    ]);
  });

  it('says which lines it is about', () => {
    expect(scopeText(report())).toBe('all 1,200 lines');
    expect(scopeText(report({ whole: false, limited_by: 'max_lines' }))).toBe(
      'the last 1,200 lines; this machine analyzes no more at once',
    );
    expect(scopeText(report({ lines_analyzed: 7 }))).toBe('1,200 lines read, 7 after the filters');
  });

  it('names patterns wherever they are spelt out', () => {
    const names = patternNames(
      report({
        changes: [
          { change: 'gone', pattern: 'b', level: 'info', template: 'backup done', before: 9, now: 0 },
        ],
        errors: [{ pattern: 'c', count: 1, level: 'error', line: 1, text: 'it broke' }],
      }),
    );
    expect([...names]).toEqual([
      ['b', 'backup done'],
      ['c', 'it broke'],
    ]);
  });
});
