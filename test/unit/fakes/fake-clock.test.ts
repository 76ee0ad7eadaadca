import { expect, it } from 'vitest';
import { every } from '../../../base/clock.ts';
import { createFakeClock } from '../../fakes/fake-clock.ts';

it('stands still until it is told to advance', async () => {
  const clock = createFakeClock(1000);
  expect([clock.now(), clock.monotonic()]).toEqual([1000, 0]);
  await clock.advance(250);
  expect([clock.now(), clock.monotonic()]).toEqual([1250, 250]);
});

it('fires timers in the order of their time, each at its own time, equal ones as they were armed', async () => {
  const clock = createFakeClock(0);
  const fired: string[] = [];
  for (const [name, ms] of [
    ['late', 30],
    ['early', 10],
    ['twin', 10],
  ] as const) {
    clock.setTimer(ms, () => fired.push(`${name} at ${clock.now()}`));
  }
  await clock.advance(29);
  expect(fired).toEqual(['early at 10', 'twin at 10']);
  await clock.advance(1);
  expect(fired).toEqual(['early at 10', 'twin at 10', 'late at 30']);
});

it('does not fire a cancelled timer', async () => {
  const clock = createFakeClock();
  const fired: string[] = [];
  clock.setTimer(10, () => fired.push('cancelled')).cancel();
  clock.setTimer(10, () => fired.push('kept'));
  await clock.advance(10);
  expect(fired).toEqual(['kept']);
  expect(clock.armed()).toEqual([]);
});

it('carries a loop that sleeps, works and sleeps again through all its rounds', async () => {
  const clock = createFakeClock(0);
  const times: number[] = [];
  const loop = async () => {
    for (;;) {
      await clock.sleep(10);
      await Promise.resolve();
      times.push(clock.now());
    }
  };
  void loop();
  await clock.advance(35);
  expect(times).toEqual([10, 20, 30]);
  expect(clock.armed()).toEqual([5]);
});

it('repeats what is armed with every', async () => {
  const clock = createFakeClock(0);
  const times: number[] = [];
  const timer = every(clock, 10, () => times.push(clock.now()));
  await clock.advance(20);
  timer.cancel();
  await clock.advance(100);
  expect(times).toEqual([10, 20]);
});

it('ends a sleep with the reason of its signal, before or during it', async () => {
  const clock = createFakeClock();
  const controller = new AbortController();
  const asleep = clock.sleep(10, controller.signal);
  controller.abort(new Error('stop'));
  await expect(asleep).rejects.toThrow('stop');
  await expect(clock.sleep(10, controller.signal)).rejects.toThrow('stop');
  expect(clock.armed()).toEqual([]);
});

it('moves the wall clock alone when it jumps', async () => {
  const clock = createFakeClock(0);
  const fired: string[] = [];
  clock.setTimer(10, () => fired.push('timer'));
  clock.jump(86_400_000);
  expect([clock.now(), clock.monotonic(), fired.length]).toEqual([86_400_000, 0, 0]);
  await clock.advance(10);
  expect([clock.now(), fired]).toEqual([86_400_010, ['timer']]);
});

it('tells when enough timers are armed', async () => {
  const clock = createFakeClock();
  let told = false;
  const both = clock.untilArmed(2).then(() => {
    told = true;
  });
  clock.setTimer(10, () => {});
  await Promise.resolve();
  expect(told).toBe(false);
  clock.setTimer(5, () => {});
  await both;
  expect(clock.armed()).toEqual([5, 10]);
  await clock.untilArmed(1);
});
