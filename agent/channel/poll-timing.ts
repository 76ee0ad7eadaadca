/** Orchestrators take an agent that was not heard for 25 s for gone, so no pause is longer (seconds). */
const MAX_PAUSE_S = 10;

/**
 * Pause before the next poll after one that brought nothing (ms): polls that bring nothing begin `intervalS` apart.
 * A poll is held for longer than that, so there is no pause unless something on the way answers early.
 */
export const pollPause = (tookMs: number, intervalS: number): number =>
  Math.max(0, Math.min(intervalS, MAX_PAUSE_S) * 1000 - tookMs);

/** A hold that broke off, or was answered by something else: the next one is shorter than what passed (seconds). */
export const shorterHold = (holdS: number, tookMs: number): number =>
  tookMs < 2000 ? holdS : Math.max(1, Math.min(holdS, Math.floor((tookMs / 1000) * 0.75)));

/** Answers after which the same request may succeed: gateways say them while what is behind them restarts. */
export const isPassing = (status: number): boolean => [408, 425, 429, 500, 502, 503, 504].includes(status);
