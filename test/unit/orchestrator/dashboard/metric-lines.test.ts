import { describe, expect, it } from 'vitest';
import {
  bridged,
  CHARTS,
  formatValue,
  knownLines,
  summaryOf,
  tableRows,
} from '../../../../orchestrator/dashboard/model/metric-lines.ts';
import { METRIC_NAMES, metricsSchema } from '../../../../protocol/rest-metrics.ts';

const metrics = metricsSchema.parse({
  from: 0,
  to: 120,
  step: 30,
  times: [0, 30, 60, 90, 120],
  series: Object.fromEntries(
    METRIC_NAMES.map((name) => {
      const line = name === 'cpu_used' ? [0.1, null, 0.3, 0.2, null] : [null, null, null, null, null];
      return [name, { mean: line, max: line }];
    }),
  ),
});

describe('lines of a chart', () => {
  it('are drawn over one late heartbeat and not over silence', () => {
    expect(bridged([1, null, 3, null, null, 4])).toEqual([1, 2, 3, null, null, 4]);
  });

  it('are those of which something is known', () => {
    expect(CHARTS.filter((chart) => knownLines(metrics, chart).length > 0).map(({ id }) => id)).toEqual([
      'cpu',
    ]);
  });

  it('are told in words and as a table as well', () => {
    const { last, mean, max } = summaryOf(metrics, 'cpu_used');
    expect([last, max]).toEqual([0.2, 0.3]);
    expect(mean).toBeCloseTo(0.2);
    expect(tableRows(metrics, 'cpu_used', 2)).toEqual([
      { time: 90, mean: 0.2, max: 0.2 },
      { time: 0, mean: 0.2, max: 0.3 },
    ]);
    expect(summaryOf(metrics, 'load1')).toEqual({ last: null, mean: null, max: null });
  });

  it.each([
    ['share', 0.031, '3.1 %'],
    ['share', 0.98, '98 %'],
    ['rate', 2048, '2.0 KB/s'],
    ['number', 1, '1.00'],
    ['bytes', null, '–'],
  ] as const)('show %s %s as %s', (unit, value, text) => expect(formatValue(unit, value)).toBe(text));
});
