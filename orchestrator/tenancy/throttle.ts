import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';

/** Counts failures, never successes: who is right is not slowed down by who is wrong elsewhere. */
export interface Throttle {
  /** @throws AppError `rate_limited` when there were too many failures. */
  check(keys: readonly string[]): void;
  failed(keys: readonly string[]): void;
  succeeded(keys: readonly string[]): void;
}

const MAX_KEYS = 20_000;

/**
 * At most `limit` failures for a key within `windowMs` of the first one. Keys join an account or token with the
 * address of the socket, so that nobody locks another one out from afar.
 */
export function createThrottle(options: { clock: Clock; limit: number; windowMs: number }): Throttle {
  const { clock, limit, windowMs } = options;
  const failures = new Map<string, { count: number; endsAt: number }>();

  const live = (key: string) => {
    const entry = failures.get(key);
    if (entry === undefined || clock.monotonic() < entry.endsAt) return entry;
    failures.delete(key);
    return undefined;
  };
  return {
    check(keys) {
      for (const key of keys) {
        const entry = live(key);
        if (entry === undefined || entry.count < limit) continue;
        const seconds = Math.ceil((entry.endsAt - clock.monotonic()) / 1000);
        throw new AppError('rate_limited', {
          detail: `Too many failed attempts; try again in ${seconds} s.`,
          context: { retry_after: seconds },
        });
      }
    },
    failed(keys) {
      for (const key of keys) {
        const entry = live(key);
        if (entry) entry.count += 1;
        else {
          // The oldest goes first; an attacker with that many addresses is not stopped by counting.
          if (failures.size >= MAX_KEYS) failures.delete(failures.keys().next().value ?? '');
          failures.set(key, { count: 1, endsAt: clock.monotonic() + windowMs });
        }
      }
    },
    succeeded(keys) {
      for (const key of keys) failures.delete(key);
    },
  };
}
