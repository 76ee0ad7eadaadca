import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { closeAll, shutdownFromSignals } from '../../../base/shutdown.ts';

describe('a stop', () => {
  it('is graceful at the first signal and hard at the second', () => {
    const process = new EventEmitter();
    const shutdown = shutdownFromSignals(process as unknown as NodeJS.Process);
    process.emit('SIGTERM', 'SIGTERM');
    expect([shutdown.graceful.aborted, shutdown.hard.aborted]).toEqual([true, false]);
    process.emit('SIGINT', 'SIGINT');
    expect(shutdown.hard.aborted).toBe(true);
    shutdown.dispose();
    expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')).toBe(0);
  });

  it('closes the last opened part first, and every part whatever fails', async () => {
    const closed: string[] = [];
    const part =
      (name: string, fails = false) =>
      async () => {
        closed.push(name);
        if (fails) throw new Error(name);
      };
    await expect(closeAll([part('a'), part('b', true), part('c')])).rejects.toThrow('b');
    expect(closed).toEqual(['c', 'b', 'a']);
    await expect(closeAll([part('a', true), part('b', true)])).rejects.toThrow(AggregateError);
  });
});
