import { availableParallelism, loadavg } from 'node:os';
import { every, systemClock } from '../../../base/clock.ts';
import { isFull } from './size.ts';

const LOOK_MS = 250;
/** A timer that comes so late had to wait for a processor. */
const LATE_MS = 1000;
/** What was begun while there was none is still being caught up with. */
const AFTERMATH_MS = 2000;
/** Programs that want to run at once, for each processor: the short run shares its machine with other tests, and with a whole company's sometimes. */
const TOO_MANY = isFull ? Number.POSITIVE_INFINITY : 3;

/** Notes when this process, which has the priority of all others of the test, was not let run; nothing is said about promptness then. */
export function watchMachine() {
  const busy: { from: number; to: number }[] = [];
  let due = systemClock.now() + LOOK_MS;
  const timer = every(systemClock, LOOK_MS, () => {
    const [load = 0] = loadavg();
    const now = systemClock.now();
    if (now - due > LATE_MS || load / availableParallelism() > TOO_MANY)
      busy.push({ from: due - LATE_MS, to: now + AFTERMATH_MS });
    due = now + LOOK_MS;
  });
  return { busy, stop: () => timer.cancel() };
}
