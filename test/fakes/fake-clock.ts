import type { Clock, Timer } from '../../base/clock.ts';

export interface FakeClock extends Clock {
  /**
   * Moves time on by `ms`, firing what falls due in the order of its time. Between two timers everything that is
   * ready runs first, so a loop that sleeps, works and sleeps again makes all its rounds.
   */
  advance(ms: number): Promise<void>;
  /** Changes the wall clock as an administrator would: `now` jumps, `monotonic` and timers do not notice. */
  jump(ms: number): void;
  /** Milliseconds until each timer that is armed, soonest first. */
  armed(): readonly number[];
  /** Resolves once at least so many timers are armed: what to await before `advance` when real I/O comes first. */
  untilArmed(count: number): Promise<void>;
}

interface Entry {
  readonly due: number;
  readonly fn: () => void;
}

interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
}

/** A clock that stands still until it is told. `start`: milliseconds since the epoch, default 2026-01-01. */
export function createFakeClock(start = Date.UTC(2026, 0, 1)): FakeClock {
  let elapsed = 0;
  let skew = 0;
  const entries = new Set<Entry>();
  const waiters = new Set<Waiter>();

  const sorted = () => [...entries].sort((left, right) => left.due - right.due);

  function setTimer(ms: number, fn: () => void): Timer {
    const entry: Entry = { due: elapsed + Math.max(ms, 0), fn };
    entries.add(entry);
    for (const waiter of waiters) {
      if (entries.size < waiter.count) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
    return { cancel: () => entries.delete(entry) };
  }

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        timer.cancel();
        reject(signal?.reason);
      };
      const timer = setTimer(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  async function advance(ms: number): Promise<void> {
    const end = elapsed + ms;
    await settle();
    for (let next = sorted()[0]; next !== undefined && next.due <= end; next = sorted()[0]) {
      entries.delete(next);
      elapsed = Math.max(elapsed, next.due);
      next.fn();
      await settle();
    }
    elapsed = end;
  }

  return {
    now: () => start + elapsed + skew,
    monotonic: () => elapsed,
    sleep,
    setTimer,
    advance,
    jump(ms) {
      skew += ms;
    },
    armed: () => sorted().map((entry) => entry.due - elapsed),
    untilArmed(count) {
      if (entries.size >= count) return Promise.resolve();
      return new Promise((resolve) => waiters.add({ count, resolve }));
    },
  };
}

/** Lets promises and callbacks that are ready run; microtasks all run before an immediate does. */
async function settle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
}
