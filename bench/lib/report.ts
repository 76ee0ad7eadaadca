import type { RatioOfMedians } from './stats.ts';

export interface Column {
  key: string;
  label: string;
  /** Digits after the point. */
  digits: number;
}

export interface Row {
  name: string;
  values: Readonly<Record<string, number>>;
}

export interface Table {
  title: string;
  columns: readonly Column[];
  rows: readonly Row[];
}

/** A ratio (or a plain figure) that the project has set itself a limit for. */
export interface Goal {
  name: string;
  value: number;
  interval?: readonly [low: number, high: number];
  limit: number;
  /** `at most` is a cost, `at least` a speed. */
  bound: 'at most' | 'at least';
  unit?: string;
  reached: boolean;
}

export interface Report {
  name: string;
  title: string;
  /** The machine and its load, and the versions of what was compared. */
  machine: Readonly<Record<string, string>>;
  tables: readonly Table[];
  goals: readonly Goal[];
  /** Peers that are missing here, with the reason. */
  skipped: readonly { name: string; reason: string }[];
  notes: readonly string[];
}

export function goal(options: {
  name: string;
  measured: RatioOfMedians;
  limit: number;
  bound: Goal['bound'];
  unit?: string;
}): Goal {
  const { name, measured, limit, bound, unit } = options;
  const reached = bound === 'at most' ? measured.value <= limit : measured.value >= limit;
  return {
    name,
    value: measured.value,
    ...(measured.interval === undefined ? {} : { interval: measured.interval }),
    limit,
    bound,
    ...(unit === undefined ? {} : { unit }),
    reached,
  };
}

const number = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);

/** Two digits that say something: 0.023 and 0.87, 1.4 and 214. */
const figure = (value: number): string =>
  number(value, value < 0.1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** The report as Markdown that can go into a document as it is. */
export function toMarkdown(report: Report): string {
  const parts = [`## ${report.title}`];
  const facts = Object.entries(report.machine).map(([key, value]) => `${key}: ${value}`);
  parts.push(facts.join(' · '));
  for (const { title, columns, rows } of report.tables) {
    const header = [title, ...columns.map(({ label }) => label)];
    const cells = rows.map(({ name, values }) => [
      name,
      ...columns.map(({ key, digits }) => number(values[key], digits)),
    ]);
    parts.push(table(header, cells));
  }
  if (report.goals.length) {
    const rows = report.goals.map(({ name, value, interval, limit, bound, unit, reached }) => {
      const sign = bound === 'at most' ? '≤' : '≥';
      const range = interval ? `${figure(interval[0])}–${figure(interval[1])}` : '–';
      const suffix = unit ? ` ${unit}` : '';
      return [
        name,
        `${sign} ${limit}${suffix}`,
        `${figure(value)}${suffix}`,
        range,
        reached ? 'yes' : '**no**',
      ];
    });
    parts.push(table(['goal', 'limit', 'measured', '95 %', 'reached'], rows));
  }
  const remarks = [
    ...report.skipped.map(({ name, reason }) => `- not measured: ${name}, ${reason}`),
    ...report.notes.map((note) => `- ${note}`),
  ];
  if (remarks.length) parts.push(remarks.join('\n'));
  return `${parts.join('\n\n')}\n`;
}
