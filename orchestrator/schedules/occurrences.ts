import { Cron } from 'croner';
import { AppError } from '../../protocol/errors.ts';

/** Two occurrences of one schedule lie at least this far apart: more often is a service, not a schedule. */
const CLOSEST_MS = 60_000;
const LOOKED_AT = 100;

export interface Timing {
  cron: string;
  time_zone: string;
}

/** @throws AppError `bad_request` with what is wrong. */
export function parseTiming({ cron, time_zone }: Timing): Cron {
  try {
    const parsed = new Cron(cron, { timezone: time_zone, paused: true });
    // A zone that is not known shows when it is used.
    parsed.nextRun(new Date(0));
    return parsed;
  } catch (cause) {
    throw new AppError('bad_request', {
      detail: `"${cron}" in the time zone ${time_zone} is no schedule: ${(cause as Error).message}.`,
      hint: 'Five fields: minute hour day-of-month month day-of-week, such as "30 3 * * 1-5"; zones as Europe/Berlin.',
      cause,
    });
  }
}

/** The occurrences after `fromMs` (ms since the epoch), at most `limit`, up to `untilMs`. */
export function occurrences(
  timing: Timing,
  fromMs: number,
  limit: number,
  untilMs = Number.POSITIVE_INFINITY,
): number[] {
  return parseTiming(timing)
    .nextRuns(limit, new Date(fromMs))
    .map((date) => date.getTime())
    .filter((at) => at <= untilMs);
}

/** @throws AppError `bad_request` when it never comes, or comes too often. */
export function checkTiming(timing: Timing, nowMs: number): void {
  const times = occurrences(timing, nowMs, LOOKED_AT);
  if (times.length === 0)
    throw new AppError('bad_request', { detail: `"${timing.cron}" never comes again.` });
  const closest = Math.min(...times.slice(1).map((at, index) => at - (times[index] ?? 0)));
  if (closest < CLOSEST_MS)
    throw new AppError('bad_request', {
      detail: `"${timing.cron}" comes every ${closest / 1000} s.`,
      hint: 'Once a minute is the most; what runs more often is a service on the machine.',
    });
}
