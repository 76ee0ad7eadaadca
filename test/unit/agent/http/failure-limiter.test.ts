import { expect, it } from 'vitest';
import { FailureLimiter } from '../../../../agent/http/failure-limiter.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

it('holds an address back for the rest of the minute, and no other', async () => {
  const clock = createFakeClock();
  const limiter = new FailureLimiter({ clock, allowed: 2 });
  limiter.failed('10.0.0.1');
  expect(limiter.waitS('10.0.0.1')).toBeUndefined();
  limiter.failed('10.0.0.1');
  await clock.advance(20_000);
  expect(limiter.waitS('10.0.0.1')).toBe(40);
  expect(limiter.waitS('10.0.0.2')).toBeUndefined();
  await clock.advance(40_000);
  expect(limiter.waitS('10.0.0.1')).toBeUndefined();
});
