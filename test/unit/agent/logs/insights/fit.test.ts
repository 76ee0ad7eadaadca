import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitAnswer } from '../../../../../agent/logs/insights/fit.ts';
import type { AnalyzeLog } from '../../../../../protocol/log-tools.ts';

const pattern = (n: number, length: number): AnalyzeLog['patterns'][number] => ({
  id: `p${n}`,
  count: n + 1,
  share: 0,
  level: 'info',
  template: 't'.repeat(length),
  at_lines: [1],
  example: 'e'.repeat(length),
  parameters: Array.from({ length: n % 9 }, () => ({ type: 'num', distinct: 1, top: [['v'.repeat(60), 1]] })),
});

const error = (n: number, frames: number): AnalyzeLog['errors'][number] => ({
  pattern: `p${n}`,
  count: n + 1,
  level: 'error',
  line: 1,
  text: 'x'.repeat(240),
  stack: Array.from({ length: frames }, (_, at) => `frame ${at} ${'f'.repeat(140)}`),
});

const base = (): AnalyzeLog => ({
  log_path: '/log',
  format: 'header',
  fields: [],
  size: 1,
  lines_read: 1,
  lines_analyzed: 1,
  continuation_lines: 0,
  whole: true,
  line_numbers: 'file',
  levels: { fatal: 0, error: 0, warning: 0, info: 1, debug: 0, unknown: 0 },
  levels_guessed: 0,
  findings: Array.from({ length: 16 }, () => ({
    kind: 'new' as const,
    text: 'n'.repeat(80),
    patterns: ['p1', 'p2'],
  })),
  errors: [],
  patterns: [],
  masked: {},
  last_lines: Array(5).fill('l'.repeat(240)) as string[],
});

describe('making an answer fit', () => {
  it('leaves out what is least telling, and counts all that it leaves out', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(240), fc.nat(12), fc.nat(13), (patterns, length, errors, frames) => {
        const log = base();
        log.patterns = Array.from({ length: patterns }, (_, n) => pattern(n, length));
        log.errors = Array.from({ length: errors }, (_, n) => error(n, frames));
        const sum = (counts: readonly { count: number }[]) =>
          counts.reduce((all, { count }) => all + count, 0);
        const before = { patterns: sum(log.patterns), errors: sum(log.errors) };
        fitAnswer(log);
        expect(Buffer.byteLength(JSON.stringify(log))).toBeLessThanOrEqual(16 * 1024);
        expect(sum(log.patterns) + (log.other_patterns?.count ?? 0)).toBe(before.patterns);
        expect(sum(log.errors) + (log.other_errors?.count ?? 0)).toBe(before.errors);
        expect(log.patterns.length + (log.other_patterns?.patterns ?? 0)).toBe(patterns);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves a small answer as it is', () => {
    const log = { ...base(), patterns: [pattern(3, 10)] };
    expect(fitAnswer(structuredClone(log))).toEqual(log);
  });
});
