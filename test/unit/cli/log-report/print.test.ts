import { describe, expect, it } from 'vitest';
import { printReport } from '../../../../cli/log-report/print.ts';
import type { AnalyzeLog } from '../../../../protocol/log-tools.ts';

const report: AnalyzeLog = {
  log_path: '/var/log/app.log',
  format: 'header',
  fields: [],
  size: 1,
  lines_read: 100,
  lines_analyzed: 100,
  continuation_lines: 0,
  whole: false,
  line_numbers: 'file',
  levels: { fatal: 0, error: 1, warning: 0, info: 99, debug: 0, unknown: 0 },
  levels_guessed: 0,
  first_time: '2026-01-31T10:00:00.000Z',
  last_time: '2026-01-31T10:02:00.000Z',
  zone_inferred: true,
  histogram: {
    start: '2026-01-31T10:00:00.000Z',
    bucket_s: 60,
    lines: [1, 0, 99],
    errors: [0, 0, 1],
    untimed: 0,
  },
  findings: [
    { kind: 'rare_error', text: 'rare error: seen once', patterns: ['e1'], at: '2026-01-31T10:01:00.000Z' },
  ],
  errors: [
    {
      pattern: 'e1',
      count: 1,
      level: 'error',
      line: 7,
      text: `it broke ${'x'.repeat(200)}`,
      stack: ['\tat a.b(C.java:1)'],
    },
  ],
  changes: [],
  patterns: [
    {
      id: 'p1',
      count: 99,
      share: 0.99,
      level: 'info',
      template: 'served \u202e<num>',
      at_lines: [1],
      example: 'x',
    },
  ],
  other_patterns: { patterns: 1, count: 1 },
  masked: { JWT: 2 },
  last_lines: ['the end'],
};
const context = (stdout: object, env: Record<string, string> = {}) =>
  ({ process: { stdout, env } }) as unknown as Parameters<typeof printReport>[1];

describe('the report on a log', () => {
  it('reads the same everywhere, without colours where there is no terminal', async () => {
    const text = await printReport(report, context({}));
    expect(text).not.toContain('\x1b');
    expect(text.split('\n').slice(0, 6)).toEqual([
      'lines   100 (header), last 100 lines',
      'levels  error 1, info 99',
      'time    2026-01-31T10:00:00.000Z to 2026-01-31T10:02:00.000Z (zone not written, assumed)',
      'rate    ▁ █  99 lines in 60 s at most',
      'errors    █  1 lines of errors at most',
      'masked  2 JWT',
    ]);
    expect(text).toContain('● 2026-01-31T10:01:00.000Z rare error: seen once\n    e1 it broke');
    expect(text).toContain('CHANGES\nnone beyond chance\n');
    expect(text).toContain('1 × line 7: it broke');
    expect(text).toMatch(/^ +99 {2}99\.0% {2}info {3}p1 {2}served \\u202e<num>$/m);
    expect(text).toContain('and 1 more patterns (1 events)');
  });

  it('keeps to the width of a terminal and paints what is severe', async () => {
    const text = await printReport(report, context({ isTTY: true, columns: 80 }, { TERM: 'xterm' }));
    expect(text).toContain('\x1b[31merror 1\x1b[39m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are taken off.
    for (const line of text.replace(/\x1b\[\d+m/g, '').split('\n'))
      expect(line.length).toBeLessThanOrEqual(90);
    expect(await printReport(report, context({ isTTY: true }, { NO_COLOR: '1' }))).not.toContain('\x1b');
  });
});
