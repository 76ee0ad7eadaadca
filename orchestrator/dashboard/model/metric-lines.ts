import type { MetricName, Metrics } from '../../../protocol/rest-metrics.ts';
import { formatBytes } from './format.ts';

export type Unit = 'share' | 'bytes' | 'rate' | 'number';

export interface ChartLine {
  name: MetricName;
  label: string;
}

export interface ChartSpec {
  id: string;
  title: string;
  unit: Unit;
  lines: readonly ChartLine[];
}

/** The charts of one machine, in their order. */
export const CHARTS: readonly ChartSpec[] = [
  { id: 'cpu', title: 'CPU', unit: 'share', lines: [{ name: 'cpu_used', label: 'Busy' }] },
  {
    id: 'memory',
    title: 'Memory',
    unit: 'share',
    lines: [
      { name: 'memory_used', label: 'Memory' },
      { name: 'swap_used', label: 'Swap' },
    ],
  },
  { id: 'load', title: 'Load, 1 minute', unit: 'number', lines: [{ name: 'load1', label: 'Load' }] },
  {
    id: 'network',
    title: 'Network',
    unit: 'rate',
    lines: [
      { name: 'net_rx_bytes_s', label: 'In' },
      { name: 'net_tx_bytes_s', label: 'Out' },
    ],
  },
  {
    id: 'disk',
    title: 'Disk traffic',
    unit: 'rate',
    lines: [
      { name: 'disk_read_bytes_s', label: 'Read' },
      { name: 'disk_write_bytes_s', label: 'Written' },
    ],
  },
  { id: 'space', title: 'Disk space', unit: 'share', lines: [{ name: 'disk_used', label: 'Used' }] },
  {
    id: 'agent',
    title: 'Memory of the agent',
    unit: 'bytes',
    lines: [{ name: 'agent_rss_bytes', label: 'Agent' }],
  },
];

export const RANGES = [
  { id: '1h', label: '1 hour', seconds: 3600 },
  { id: '6h', label: '6 hours', seconds: 6 * 3600 },
  { id: '24h', label: '24 hours', seconds: 86_400 },
  { id: '7d', label: '7 days', seconds: 7 * 86_400 },
] as const;
export type RangeId = (typeof RANGES)[number]['id'];

export function formatValue(unit: Unit, value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  switch (unit) {
    case 'share':
      return `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;
    case 'bytes':
      return formatBytes(value);
    case 'rate':
      return `${formatBytes(value)}/s`;
    case 'number':
      return value.toFixed(2);
  }
}

/** What of a chart was ever reported; older agents say less. */
export const knownLines = (metrics: Metrics, chart: ChartSpec): readonly ChartLine[] =>
  chart.lines.filter(({ name }) => metrics.series[name].mean.some((value) => value !== null));

/** A single step that is missing between two others is a heartbeat that came a little late: no gap is drawn. */
export function bridged(line: readonly (number | null)[]): (number | null)[] {
  return line.map((value, at) => {
    const [before, after] = [line[at - 1], line[at + 1]];
    return value === null && typeof before === 'number' && typeof after === 'number'
      ? (before + after) / 2
      : value;
  });
}

export interface Summary {
  last: number | null;
  mean: number | null;
  max: number | null;
}

/** Of one line over the whole range. */
export function summaryOf(metrics: Metrics, name: MetricName): Summary {
  const { mean, max } = metrics.series[name];
  const values = mean.filter((value) => value !== null);
  const peaks = max.filter((value) => value !== null);
  return {
    last: values.at(-1) ?? null,
    mean: values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length,
    max: peaks.length === 0 ? null : Math.max(...peaks),
  };
}

/** Rows for who reads numbers: at most so many, the newest first, each the mean and the peak of its part of the range. */
export function tableRows(
  metrics: Metrics,
  name: MetricName,
  most: number,
): { time: number; mean: number | null; max: number | null }[] {
  const size = Math.max(1, Math.ceil(metrics.times.length / most));
  const rows: ReturnType<typeof tableRows> = [];
  for (let at = 0; at < metrics.times.length; at += size) {
    const part = <T>(list: readonly T[]) => list.slice(at, at + size);
    const values = part(metrics.series[name].mean).filter((value) => value !== null);
    const peaks = part(metrics.series[name].max).filter((value) => value !== null);
    rows.push({
      time: metrics.times[at] ?? 0,
      mean: values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length,
      max: peaks.length === 0 ? null : Math.max(...peaks),
    });
  }
  return rows.toReversed();
}
