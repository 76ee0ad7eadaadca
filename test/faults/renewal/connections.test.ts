import { expect, it } from 'vitest';
import { connectionsOf, switchesOf } from './connections.ts';

const line = (msg: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ msg, vm_id: 'vm-a', ...more });

it('tells a session that moves from one that is lost, from a new one, and from two at once', () => {
  const log = [
    line('agent connected', { resumed: false }),
    line('agent disconnected', { code: 4004 }),
    line('agent connected', { resumed: true }),
    line('agent connected', { resumed: true, vm_id: 'vm-b' }),
    'no JSON',
    line('agent disconnected', { code: 1006 }),
    line('agent connected', { resumed: true }),
    line('agent disconnected', { code: 4004 }),
    line('agent connected', { resumed: false }),
    line('agent connected', { resumed: true }),
  ].join('\n');
  expect(switchesOf(connectionsOf(log, 'vm-a'))).toEqual({ moved: 1, begun: 2, lost: 2, beside: 1 });
});
