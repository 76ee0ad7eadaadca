/** From what is written of a time to milliseconds since the epoch. */
import type { Stamp } from './stamp.ts';

const DAY = 86_400_000;

export interface WallClock {
  /** Undefined where the line gives no date. */
  toMs(stamp: Stamp): number | undefined;
  readonly yearInferred: boolean;
  readonly zoneInferred: boolean;
}

/**
 * `reference` is a time near which the log was written, from dates with a year in its messages; without one a time
 * without a year is the last one of that kind before a day after `nowMs`.
 */
export function createWallClock(options: {
  nowMs: number;
  toUtcMs: ((wallMs: number) => number) | undefined;
  reference: number | undefined;
}): WallClock {
  const { nowMs, toUtcMs, reference } = options;
  const latest = nowMs + DAY;
  let yearInferred = false;
  let zoneInferred = false;
  let dayKey = -1;
  let dayMs = 0;

  function midnight(year: number, month: number, day: number): number {
    const key = (year * 16 + month) * 32 + day;
    if (key !== dayKey) {
      dayKey = key;
      dayMs = Date.UTC(year, month - 1, day);
    }
    return dayMs;
  }

  function yearOf(month: number, day: number): number {
    const around = reference ?? latest;
    let year = new Date(around).getUTCFullYear() + 1;
    const leap = month === 2 && day === 29;
    const limit = reference === undefined ? latest : Math.min(latest, reference + 183 * DAY);
    while (
      Date.UTC(year, month - 1, day) > limit ||
      (leap && new Date(Date.UTC(year, 1, 29)).getUTCMonth() !== 1)
    )
      year--;
    return year;
  }

  let yearKey = -1;
  let yearFound = 0;

  return {
    toMs(stamp) {
      if (stamp.epochMs !== undefined) return stamp.epochMs;
      if (!stamp.hasDate) return undefined;
      let year = stamp.year;
      if (year === undefined) {
        yearInferred = true;
        const key = stamp.month * 32 + stamp.day;
        if (key !== yearKey) {
          yearKey = key;
          yearFound = yearOf(stamp.month, stamp.day);
        }
        year = yearFound;
      }
      const wall = midnight(year, stamp.month, stamp.day) + stamp.clockMs;
      if (stamp.zone !== undefined) return wall - stamp.zone * 60_000;
      zoneInferred = true;
      return toUtcMs === undefined ? wall : toUtcMs(wall);
    },
    get yearInferred() {
      return yearInferred;
    },
    get zoneInferred() {
      return zoneInferred;
    },
  };
}
