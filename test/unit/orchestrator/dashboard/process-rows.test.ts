import { expect, it } from 'vitest';
import { firstOrder, processRows } from '../../../../orchestrator/dashboard/model/process-rows.ts';

const process = (pid: number, user: string, cpu: number, command: string) => ({
  pid,
  ppid: 1,
  user,
  state: 'S',
  cpu,
  rss: 1,
  threads: 1,
  started: '2026-01-01T00:00:00.000Z',
  command,
});
const LIST = [
  process(9, 'root', 0, 'sshd'),
  process(2, 'www', 50, 'nginx worker'),
  process(3, 'www', 0, 'nginx master'),
];
const pids = (filter: string, column: Parameters<typeof firstOrder>[0], turned = false) => {
  const order = firstOrder(column);
  return processRows(LIST, filter, { ...order, descending: order.descending !== turned }).map(
    ({ pid }) => pid,
  );
};

it('sorts numbers from the largest, words from the first, and equals by pid', () => {
  expect(pids('', 'cpu')).toEqual([2, 3, 9]);
  expect(pids('', 'user')).toEqual([9, 2, 3]);
  expect(pids('', 'pid', true)).toEqual([9, 3, 2]);
});

it('finds those in which every word occurs', () => {
  expect(pids('NGINX www', 'pid')).toEqual([2, 3]);
  expect(pids('nginx root', 'pid')).toEqual([]);
});
