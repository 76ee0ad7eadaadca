import { describe, expect, it } from 'vitest';
import { Lanes } from '../../../../agent/commands/lanes.ts';

const NOW = 1_000;
const command = (id: string, lane: string, seq: number) => ({ id, lane, rank: [1, seq] as const });

describe('lanes', () => {
  it('starts one command of a lane at a time, and lanes beside each other', () => {
    const lanes = new Lanes(8);
    expect(lanes.enter(command('a1', 'A', 1), NOW)).toBe(true);
    expect(lanes.enter(command('a2', 'A', 2), NOW)).toBe(false);
    expect(lanes.enter(command('b1', 'B', 3), NOW)).toBe(true);
    expect(lanes.next(NOW)).toBeUndefined();
    lanes.leave('a1');
    expect(lanes.next(NOW)?.id).toBe('a2');
  });

  it('keeps the order of numbers within a lane, whatever the order of arrival', () => {
    const lanes = new Lanes(8);
    for (const seq of [3, 1, 2]) lanes.wait(command(`c${seq}`, 'A', seq));
    const order: string[] = [];
    for (let next = lanes.next(NOW); next !== undefined; next = lanes.next(NOW)) {
      order.push(next.id);
      lanes.leave(next.id);
    }
    expect(order).toEqual(['c1', 'c2', 'c3']);
  });

  it('does not let a newcomer pass one that waits in its lane', () => {
    const lanes = new Lanes(1);
    expect(lanes.enter(command('x', 'X', 1), NOW)).toBe(true);
    expect(lanes.enter(command('a1', 'A', 2), NOW)).toBe(false);
    lanes.leave('x');
    expect(lanes.enter(command('a2', 'A', 3), NOW)).toBe(false);
    expect(lanes.next(NOW)?.id).toBe('a1');
  });

  it('runs no more at once than its limit', () => {
    const lanes = new Lanes(2);
    expect(['A', 'B', 'C'].map((lane, i) => lanes.enter(command(lane, lane, i), NOW))).toEqual([
      true,
      true,
      false,
    ]);
    lanes.leave('A');
    expect(lanes.next(NOW)?.id).toBe('C');
  });

  it('forgets a waiting command that is withdrawn', () => {
    const lanes = new Lanes(1);
    lanes.enter(command('x', 'X', 1), NOW);
    lanes.enter(command('y', 'Y', 2), NOW);
    lanes.leave('y');
    lanes.leave('x');
    expect(lanes.next(NOW)).toBeUndefined();
  });

  it('holds a command until its time, and those behind it in its lane, but no other lane', () => {
    const lanes = new Lanes(8);
    expect(lanes.enter({ ...command('later', 'A', 1), notBeforeMs: NOW + 500 }, NOW)).toBe(false);
    expect(lanes.enter(command('behind', 'A', 2), NOW)).toBe(false);
    expect(lanes.enter(command('beside', 'B', 3), NOW)).toBe(true);
    expect(lanes.next(NOW + 499)).toBeUndefined();
    expect(lanes.nextDue(NOW)).toBe(NOW + 500);
    expect(lanes.next(NOW + 500)?.id).toBe('later');
    expect(lanes.nextDue(NOW + 500)).toBeUndefined();
    lanes.leave('later');
    expect(lanes.next(NOW + 500)?.id).toBe('behind');
  });
});
