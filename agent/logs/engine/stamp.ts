/** Parts of written times: what their formats (`stamp-formats.ts`) are made of. No regular expressions, for speed. */

/** What the last successful reading found; overwritten by the next one. */
export interface Stamp {
  /** Undefined where none was written. */
  year: number | undefined;
  month: number;
  day: number;
  /** Of the day, in ms. */
  clockMs: number;
  /** Minutes east of UTC; undefined where none was written. */
  zone: number | undefined;
  /** Instead of all the above where the time is a count since 1970. */
  epochMs: number | undefined;
  hasDate: boolean;
  hasClock: boolean;
}

export const createStamp = (): Stamp => ({
  year: undefined,
  month: 0,
  day: 0,
  clockMs: 0,
  zone: undefined,
  epochMs: undefined,
  hasDate: false,
  hasClock: false,
});

export const isDigit = (code: number): boolean => code >= 48 && code <= 57;
export const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;

/** `count` digits as a number, or -1. */
export function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return -1;
    value = value * 10 + code - 48;
  }
  return value;
}

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';
export function monthName(text: string, at: number): number {
  if (!isLetter(text.charCodeAt(at))) return -1;
  const index = MONTHS.indexOf(text.slice(at, at + 3).toLowerCase());
  return index < 0 || index % 3 !== 0 || isLetter(text.charCodeAt(at + 3)) ? -1 : index / 3 + 1;
}
const WEEKDAYS = new Set(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']);
export function skipWeekday(text: string, at: number): number {
  if (!WEEKDAYS.has(text.slice(at, at + 3).toLowerCase())) return at;
  let end = at + 3;
  while (text.charCodeAt(end) === 32 || text.charCodeAt(end) === 44) end++;
  return end > at + 3 ? end : at;
}

/** One or two digits, with a space before the one; sets `stamp.day`. */
export function dayOfMonth(text: string, at: number, stamp: Stamp): number {
  let from = at;
  if (text.charCodeAt(from) === 32) from++;
  const two = digits(text, from, 2);
  if (two >= 1 && two <= 31) {
    stamp.day = two;
    return from + 2;
  }
  const one = digits(text, from, 1);
  if (one < 1) return -1;
  stamp.day = one;
  return from + 1;
}

/** `15:16:01`, `9:05:01.123`, `15.42.50.675872`, `22:15:29:606`, `203615`; sets the clock. */
export function clock(text: string, at: number, stamp: Stamp): number {
  let end = at;
  let hours = digits(text, at, 2);
  if (hours < 0) {
    hours = digits(text, at, 1);
    end += 1;
  } else end += 2;
  if (hours < 0 || hours > 23) return -1;
  const separator = text.charCodeAt(end);
  const apart = separator === 58 || separator === 46;
  if (apart) end++;
  else if (!isDigit(separator) || end !== at + 2) return -1;
  // Other programs leave out the zeros: 22:5:9.
  const unpadded = apart && !isDigit(text.charCodeAt(end + 1));
  const minutes = digits(text, end, unpadded ? 1 : 2);
  if (minutes < 0 || minutes > 59) return -1;
  end += unpadded ? 1 : 2;
  if (apart) {
    if (text.charCodeAt(end) !== separator) return -1;
    end++;
  }
  const short = apart && !isDigit(text.charCodeAt(end + 1));
  const seconds = digits(text, end, short ? 1 : 2);
  if (seconds < 0 || seconds > 60) return -1;
  end += short ? 1 : 2;
  let fraction = 0;
  const mark = text.charCodeAt(end);
  if ((mark === 46 || mark === 44 || (mark === 58 && apart)) && isDigit(text.charCodeAt(end + 1))) {
    let scale = 100;
    let i = end + 1;
    while (isDigit(text.charCodeAt(i)) && i < end + 11) {
      fraction += (text.charCodeAt(i) - 48) * scale;
      scale /= 10;
      i++;
    }
    end = i;
  } else if (isDigit(mark)) return -1;
  stamp.clockMs = ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction;
  stamp.hasClock = true;
  return end;
}

const ZONES: Readonly<Record<string, number>> = {
  UTC: 0,
  GMT: 0,
  Z: 0,
  CET: 60,
  CEST: 120,
  EST: -300,
  EDT: -240,
  CST: -360,
  CDT: -300,
  MST: -420,
  MDT: -360,
  PST: -480,
  PDT: -420,
  JST: 540,
  MSK: 180,
  BST: 60,
};

/** `Z`, ` +0200`, `-07:00`, ` UTC`; the end, which is `at` where there is none. */
export function zone(text: string, at: number, stamp: Stamp): number {
  let from = at;
  if (text.charCodeAt(from) === 32) from++;
  const code = text.charCodeAt(from);
  if (code === 43 || code === 45) {
    const hours = digits(text, from + 1, 2);
    if (hours < 0 || hours > 15) return at;
    const colon = text.charCodeAt(from + 3) === 58 ? 1 : 0;
    const minutes = digits(text, from + 3 + colon, 2);
    if (minutes > 59 || (minutes < 0 && from !== at)) return at;
    const end = minutes < 0 ? from + 3 : from + 5 + colon;
    if (isDigit(text.charCodeAt(end)) || text.charCodeAt(end) === 45) return at;
    stamp.zone = (code === 43 ? 1 : -1) * (hours * 60 + Math.max(0, minutes));
    return end;
  }
  if (!isLetter(code)) return at;
  let end = from;
  while (isLetter(text.charCodeAt(end)) && end < from + 5) end++;
  const known = ZONES[text.slice(from, end)];
  if (known === undefined || (end === from + 1 && from !== at) || isLetter(text.charCodeAt(end))) return at;
  stamp.zone = known;
  return end;
}
