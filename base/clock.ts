export interface Timer {
  cancel(): void;
}

/** Time as a part is given it. Durations are measured with `monotonic`, which no clock change moves. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms`. `background` timers do not keep the process alive. */
  setTimer(ms: number, fn: () => void, options?: { background?: boolean }): Timer;
}

const MAX_TIMEOUT = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        timer.cancel();
        reject(signal?.reason);
      };
      const timer = systemClock.setTimer(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
  setTimer(ms, fn, options) {
    // Node cuts longer timeouts to 1 ms; a long wait is made of several.
    let handle: NodeJS.Timeout;
    const arm = (left: number) => {
      handle = setTimeout(
        () => (left > MAX_TIMEOUT ? arm(left - MAX_TIMEOUT) : fn()),
        Math.min(Math.max(left, 0), MAX_TIMEOUT),
      );
      if (options?.background) handle.unref();
    };
    arm(ms);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** RFC 3339 in UTC with milliseconds, as every message carries times. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Calls `fn` every `ms` until cancelled; the next call is armed after the last returned. */
export function every(clock: Clock, ms: number, fn: () => void): Timer {
  let timer: Timer;
  const arm = () => {
    timer = clock.setTimer(
      ms,
      () => {
        arm();
        fn();
      },
      { background: true },
    );
  };
  arm();
  return { cancel: () => timer.cancel() };
}
