import { expect, it } from 'vitest';
import { createThrottle } from '../../../../orchestrator/tenancy/throttle.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

const make = () => {
  const clock = createFakeClock();
  return { clock, throttle: createThrottle({ clock, limit: 2, windowMs: 10_000 }) };
};

it('slows a key down after its failures, says for how long, and forgets them', async () => {
  const { clock, throttle } = make();
  throttle.failed(['a']);
  throttle.check(['a']);
  throttle.failed(['a']);
  await clock.advance(4000);
  expect(() => throttle.check(['a'])).toThrow('6 s');
  await clock.advance(6000);
  expect(() => throttle.check(['a'])).not.toThrow();
});

it('leaves other keys alone and forgives who succeeds', () => {
  const { throttle } = make();
  throttle.failed(['a']);
  throttle.failed(['a']);
  expect(() => throttle.check(['b'])).not.toThrow();
  throttle.succeeded(['a']);
  expect(() => throttle.check(['a'])).not.toThrow();
});

it('does not notice a change of the wall clock', () => {
  const { clock, throttle } = make();
  throttle.failed(['a']);
  throttle.failed(['a']);
  clock.jump(3_600_000);
  expect(() => throttle.check(['a'])).toThrow('Too many');
});
