import type { Clock } from '../../base/clock.ts';

/** Remembers that it was rung while nobody waited. */
export function createHints() {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    clear() {
      rung = false;
    },
    /** True: it was rung; false: the time is over or the signal came. */
    async wait(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
      if (!rung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const done = () => {
            timer.cancel();
            signal.removeEventListener('abort', done);
            wake = undefined;
            resolve();
          };
          const timer = clock.setTimer(ms, done, { background: true });
          wake = done;
          signal.addEventListener('abort', done, { once: true });
        });
      }
      return rung;
    },
  };
}
