import type { ProcessEntry } from '../../../protocol/system.ts';

export const PROCESS_COLUMNS = ['pid', 'user', 'cpu', 'rss', 'threads', 'started', 'command'] as const;
export type ProcessColumn = (typeof PROCESS_COLUMNS)[number];
export interface ProcessOrder {
  column: ProcessColumn;
  descending: boolean;
}

/** Numbers begin with the largest, words with the first. */
export const firstOrder = (column: ProcessColumn): ProcessOrder => ({
  column,
  descending: !['pid', 'user', 'command'].includes(column),
});

/** Those in which all words occur, in that order; equal ones by pid, so that rows do not jump at each look. */
export function processRows(
  processes: readonly ProcessEntry[],
  filter: string,
  { column, descending }: ProcessOrder,
): ProcessEntry[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const text = ({ pid, user, state, command, unit = '' }: ProcessEntry) =>
    `${pid} ${user} ${state} ${command} ${unit}`.toLowerCase();
  const sign = descending ? -1 : 1;
  return processes
    .filter((process) => words.every((word) => text(process).includes(word)))
    .toSorted((a, b) => {
      const [x, y] = [a[column], b[column]];
      const order =
        typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
      return order === 0 ? a.pid - b.pid : sign * order;
    });
}
