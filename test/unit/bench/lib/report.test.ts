import { describe, expect, it } from 'vitest';
import { goal, type Report, toMarkdown } from '../../../../bench/lib/report.ts';

const report = (over: Partial<Report>): Report => ({
  name: 'x',
  title: 'x: y',
  machine: { Node: '24' },
  tables: [],
  goals: [],
  skipped: [],
  notes: [],
  ...over,
});

describe('a benchmark’s report', () => {
  it('says of a cost above its limit and of a speed below its limit that they were not reached', () => {
    const cost = (value: number) => goal({ name: 'c', measured: { value }, limit: 1.5, bound: 'at most' });
    const speed = (value: number) => goal({ name: 's', measured: { value }, limit: 2, bound: 'at least' });
    expect([cost(1.5).reached, cost(1.51).reached]).toEqual([true, false]);
    expect([speed(2).reached, speed(1.99).reached]).toEqual([true, false]);
  });

  it('counts a figure that could not be measured as missed', () => {
    const measured = { value: Number.NaN };
    expect(goal({ name: 'c', measured, limit: 1, bound: 'at most' }).reached).toBe(false);
    expect(goal({ name: 's', measured, limit: 1, bound: 'at least' }).reached).toBe(false);
  });

  it('shows a missed goal as plainly as a reached one', () => {
    const text = toMarkdown(
      report({
        goals: [
          goal({
            name: 'ours ÷ spawn',
            measured: { value: 2.346, interval: [2.1, 2.6] },
            limit: 1.5,
            bound: 'at most',
          }),
          goal({ name: 'growth', measured: { value: 12 }, limit: 48, bound: 'at most', unit: 'MB' }),
        ],
      }),
    );
    expect(text).toContain('| ours ÷ spawn |   ≤ 1.5 |     2.35 | 2.10–2.60 |  **no** |');
    expect(text).toContain('| growth       | ≤ 48 MB |  12.0 MB |         – |     yes |');
  });

  it('writes a table that Markdown understands', () => {
    const columns = [{ key: 'median', label: 'median', digits: 2 }];
    const rows = [
      { name: 'a', values: { median: 1.005 } },
      { name: 'b', values: {} },
    ];
    expect(toMarkdown(report({ tables: [{ title: 'ms', columns, rows }] }))).toContain(
      ['| ms  | median |', '| --- | -----: |', '| a   |   1.00 |', '| b   |      – |'].join('\n'),
    );
  });

  it('names the peers that are missing, with the reason', () => {
    expect(toMarkdown(report({ skipped: [{ name: 'ssh', reason: 'it is not installed' }] }))).toContain(
      '- not measured: ssh, it is not installed',
    );
  });
});
