import { availableParallelism, loadavg } from 'node:os';
import { every, systemClock } from '../../../base/clock.ts';

/** Programs that want to run at once, for each processor: above it nobody can be prompt. */
const TOO_MANY = 3;
const LOOK_MS = 1000;

/** Notes when the machine has more to do than it can, so that nothing is said about promptness then. */
export function watchMachine() {
  const busy: { from: number; to: number }[] = [];
  const timer = every(systemClock, LOOK_MS, () => {
    const [load = 0] = loadavg();
    const now = systemClock.now();
    if (load / availableParallelism() > TOO_MANY) busy.push({ from: now - 2 * LOOK_MS, to: now + LOOK_MS });
  });
  return { busy, stop: () => timer.cancel() };
}
