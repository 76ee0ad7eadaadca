import { describe, expect, it } from 'vitest';
import { every, isoTime, systemClock } from '../../../base/clock.ts';
import { createFakeClock } from '../../fakes/fake-clock.ts';

describe('the system clock', () => {
  it('sleeps, and wakes at once with the reason when it is aborted', async () => {
    await systemClock.sleep(1);
    const controller = new AbortController();
    const sleeping = systemClock.sleep(1_000_000, controller.signal);
    controller.abort(new Error('enough'));
    await expect(sleeping).rejects.toThrow('enough');
    await expect(systemClock.sleep(1, controller.signal)).rejects.toThrow('enough');
  });

  it('does not cut a wait of months to a millisecond, as a bare timer would', async () => {
    let fired = false;
    const timer = systemClock.setTimer(90 * 86_400_000, () => {
      fired = true;
    });
    await systemClock.sleep(5);
    timer.cancel();
    expect(fired).toBe(false);
  });

  it('writes times as RFC 3339 in UTC', () => {
    expect(isoTime(0)).toBe('1970-01-01T00:00:00.000Z');
  });
});

describe('every', () => {
  it('goes on after a call that throws, until it is cancelled', async () => {
    const clock = createFakeClock();
    let calls = 0;
    const timer = every(clock, 100, () => {
      calls++;
      if (calls === 1) throw new Error('once');
    });
    await expect(clock.advance(100)).rejects.toThrow('once');
    await clock.advance(200);
    expect(calls).toBe(3);
    timer.cancel();
    await clock.advance(1000);
    expect(calls).toBe(3);
  });
});
