import { fullJitter, type Random } from '../../base/random.ts';

export const BACKOFF_BASE_MS = 1000;
export const BACKOFF_CAP_MS = 30_000;
export const FIRST_RETRY_MS = 5000;

/**
 * Delay before the next connection, with full jitter.
 * `failures` counts what failed since the last working connection. The first connection of a fresh process comes at
 * once; the first after a lost link is uniform in 0–5 s, so that a restarted server does not meet its whole fleet.
 * `retryAfterMs` is the server's wish and overrules all; up to a fifth is added, since the whole fleet may have got the same.
 */
export function reconnectDelay(options: {
  failures: number;
  everConnected: boolean;
  random: Random;
  retryAfterMs?: number | undefined;
}): number {
  const { failures, everConnected, random, retryAfterMs } = options;
  if (retryAfterMs !== undefined) return retryAfterMs * (1 + 0.2 * random());
  if (failures === 0) return everConnected ? random() * FIRST_RETRY_MS : 0;
  return fullJitter({ failures, baseMs: BACKOFF_BASE_MS, capMs: BACKOFF_CAP_MS, random });
}
