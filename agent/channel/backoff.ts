import { fullJitter, type Random } from '../../base/random.ts';

export const BACKOFF_BASE_MS = 1000;
export const BACKOFF_CAP_MS = 30_000;
export const FIRST_RETRY_MS = 5000;
/** A server that was taken over, or a slip in its answer, must not send a machine to sleep for years. */
export const LONGEST_WISH_MS = 3600_000;

/**
 * Delay before the next connection, with full jitter.
 * `failures` counts what failed since the last working connection. The first connection of a fresh process comes at
 * once; the first after a lost link is uniform in 0–5 s, so that a restarted server does not meet its whole fleet.
 * `retryAfterMs` is the server's wish and overrules all, up to an hour; up to a fifth is added, since the whole fleet may have got the same.
 */
export function reconnectDelay(options: {
  failures: number;
  everConnected: boolean;
  random: Random;
  retryAfterMs?: number | undefined;
}): number {
  const { failures, everConnected, random, retryAfterMs } = options;
  if (retryAfterMs !== undefined)
    return Math.min(Math.max(retryAfterMs, 0), LONGEST_WISH_MS) * (1 + 0.2 * random());
  if (failures === 0) return everConnected ? random() * FIRST_RETRY_MS : 0;
  return fullJitter({ failures, baseMs: BACKOFF_BASE_MS, capMs: BACKOFF_CAP_MS, random });
}
