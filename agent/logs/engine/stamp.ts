/** Reads the ways in which logs write times, each from a given place of a line and without regular expressions. */

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

/** Gives where the time ends, or -1. */
type Reader = (text: string, at: number, stamp: Stamp) => number;

export interface StampFormat {
  name: string;
  read: Reader;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;

/** `count` digits as a number, or -1. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return -1;
    value = value * 10 + code - 48;
  }
  return value;
}

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';
function monthName(text: string, at: number): number {
  if (!isLetter(text.charCodeAt(at))) return -1;
  const index = MONTHS.indexOf(text.slice(at, at + 3).toLowerCase());
  return index < 0 || index % 3 !== 0 || isLetter(text.charCodeAt(at + 3)) ? -1 : index / 3 + 1;
}
const WEEKDAYS = new Set(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']);
function skipWeekday(text: string, at: number): number {
  if (!WEEKDAYS.has(text.slice(at, at + 3).toLowerCase())) return at;
  let end = at + 3;
  while (text.charCodeAt(end) === 32 || text.charCodeAt(end) === 44) end++;
  return end > at + 3 ? end : at;
}

/** One or two digits, with a space before the one; sets `stamp.day`. */
function dayOfMonth(text: string, at: number, stamp: Stamp): number {
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
function clock(text: string, at: number, stamp: Stamp): number {
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
function zone(text: string, at: number, stamp: Stamp): number {
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

function reset(stamp: Stamp): void {
  stamp.year = undefined;
  stamp.zone = undefined;
  stamp.epochMs = undefined;
  stamp.clockMs = 0;
  stamp.hasClock = false;
  stamp.hasDate = true;
}

const fullYear = (two: number): number => (two < 70 ? 2000 + two : 1900 + two);
const inDate = (month: number, day: number): boolean => month >= 1 && month <= 12 && day >= 1 && day <= 31;

/** After a date: what joins it to the clock, or -1. */
function joiner(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === 84 || code === 45 || code === 95 || code === 58 || code === 47) return at + 1;
  let end = at;
  while (text.charCodeAt(end) === 32 || text.charCodeAt(end) === 44) end++;
  return end > at && end <= at + 3 ? end : -1;
}

function dateAndClock(text: string, end: number, stamp: Stamp): number {
  const from = joiner(text, end);
  if (from < 0) return -1;
  const to = clock(text, from, stamp);
  return to < 0 ? -1 : zone(text, to, stamp);
}

/** `2015-10-18`, `2005/06/03`, `2005.06.03`, `20171223`. */
function yearMonthDay(text: string, at: number, stamp: Stamp): number {
  const year = digits(text, at, 4);
  if (year < 1970 || year > 2199) return -1;
  const mark = text.charCodeAt(at + 4);
  const apart = mark === 45 || mark === 47 || mark === 46;
  if (!apart && !isDigit(mark)) return -1;
  const month = digits(text, at + 4 + (apart ? 1 : 0), 2);
  if (month >= 0 && apart && text.charCodeAt(at + 7) !== mark) return -1;
  const day = digits(text, at + (apart ? 8 : 6), 2);
  if (!inDate(month, day)) return -1;
  reset(stamp);
  stamp.year = year;
  stamp.month = month;
  stamp.day = day;
  return at + (apart ? 10 : 8);
}

const iso: Reader = (text, at, stamp) => {
  const end = yearMonthDay(text, at, stamp);
  return end < 0 ? -1 : dateAndClock(text, end, stamp);
};

/** A date alone, where the clock stands elsewhere or nowhere. */
const dateAlone: Reader = (text, at, stamp) => {
  const end = yearMonthDay(text, at, stamp);
  const next = text.charCodeAt(end);
  return end < 0 || isDigit(next) || isLetter(next) || next === 45 ? -1 : end;
};

const clockAlone: Reader = (text, at, stamp) => {
  if (text.charCodeAt(at + 2) !== 58 && text.charCodeAt(at + 1) !== 58) return -1;
  reset(stamp);
  stamp.hasDate = false;
  const end = clock(text, at, stamp);
  return end < 0 ? -1 : zone(text, end, stamp);
};

/** `081109 203615`: two digits for each part. */
const compact: Reader = (text, at, stamp) => {
  const year = digits(text, at, 2);
  const month = digits(text, at + 2, 2);
  const day = digits(text, at + 4, 2);
  if (year < 0 || !inDate(month, day) || text.charCodeAt(at + 6) !== 32) return -1;
  reset(stamp);
  stamp.year = fullYear(year);
  stamp.month = month;
  stamp.day = day;
  const space = text.charCodeAt(at + 7) === 32 ? 1 : 0;
  return clock(text, at + 7 + space, stamp);
};

/** Three numbers of which the order is not known: `17/06/09 20:10:40`, `06/17/2009`. */
function ordered(order: 'ymd' | 'mdy' | 'dmy'): Reader {
  return (text, at, stamp) => {
    const numbers: number[] = [];
    let from = at;
    let mark = 0;
    for (let i = 0; i < 3; i++) {
      const wide = i === 2 && order !== 'ymd' && digits(text, from, 4) >= 1970 ? 4 : 0;
      const two = wide > 0 ? digits(text, from, 4) : digits(text, from, 2);
      const value = two >= 0 ? two : digits(text, from, 1);
      if (value < 0) return -1;
      numbers.push(value);
      from += wide > 0 ? 4 : two >= 0 ? 2 : 1;
      if (i === 2) break;
      const code = text.charCodeAt(from);
      if (code !== 47 && code !== 45 && code !== 46) return -1;
      if (mark !== 0 && code !== mark) return -1;
      mark = code;
      from++;
    }
    const year = numbers[order === 'ymd' ? 0 : 2] as number;
    const month = numbers[order === 'mdy' ? 0 : 1] as number;
    const day = numbers[order === 'ymd' ? 2 : order === 'mdy' ? 1 : 0] as number;
    if (!inDate(month, day)) return -1;
    reset(stamp);
    stamp.year = year < 100 ? fullYear(year) : year;
    stamp.month = month;
    stamp.day = day;
    const end = dateAndClock(text, from, stamp);
    return end < 0 ? -1 : meridiem(text, end, stamp);
  };
}

/** ` PM` after a clock of twelve hours. */
function meridiem(text: string, at: number, stamp: Stamp): number {
  const from = text.charCodeAt(at) === 32 ? at + 1 : at;
  const letter = text.charCodeAt(from) | 32;
  if ((letter !== 97 && letter !== 112) || (text.charCodeAt(from + 1) | 32) !== 109) return at;
  if (isLetter(text.charCodeAt(from + 2))) return at;
  const noon = 12 * 3_600_000;
  stamp.clockMs = (stamp.clockMs % noon) + (letter === 112 ? noon : 0);
  return from + 2;
}

/** `03-17 16:13:38.811`, `10.30 16:49:06`: no year. */
const monthDay: Reader = (text, at, stamp) => {
  const month = digits(text, at, 2);
  const mark = text.charCodeAt(at + 2);
  const day = digits(text, at + 3, 2);
  if (!inDate(month, day) || (mark !== 45 && mark !== 46 && mark !== 47)) return -1;
  if (text.charCodeAt(at + 5) !== 32) return -1;
  reset(stamp);
  stamp.month = month;
  stamp.day = day;
  return clock(text, at + 6, stamp);
};

/** The month and day that glog writes after the letter of the level: `1109 20:36:15.123456`. */
const glog: Reader = (text, at, stamp) => {
  const month = digits(text, at, 2);
  const day = digits(text, at + 2, 2);
  if (!inDate(month, day) || text.charCodeAt(at + 4) !== 32 || text.charCodeAt(at + 7) !== 58) return -1;
  reset(stamp);
  stamp.month = month;
  stamp.day = day;
  return clock(text, at + 5, stamp);
};

/** `Jun 14 15:16:01`, `Sun Dec 04 04:47:44 2005`, `Thu Aug 04 15:31:25 PDT 2005`, `Jun 14 2005 15:16:01`. */
const named: Reader = (text, at, stamp) => {
  const from = skipWeekday(text, at);
  const month = monthName(text, from);
  if (month < 0 || text.charCodeAt(from + 3) !== 32) return -1;
  reset(stamp);
  stamp.month = month;
  let end = dayOfMonth(text, from + 4, stamp);
  if (end < 0) return -1;
  if (text.charCodeAt(end) === 44) end++;
  if (text.charCodeAt(end) !== 32) return -1;
  end++;
  const early = digits(text, end, 4);
  if (early >= 1970 && early <= 2199 && text.charCodeAt(end + 4) === 32) {
    stamp.year = early;
    end += 5;
  }
  end = clock(text, end, stamp);
  if (end < 0) return -1;
  end = zone(text, end, stamp);
  const late = text.charCodeAt(end) === 32 ? digits(text, end + 1, 4) : -1;
  if (late >= 1970 && late <= 2199 && stamp.year === undefined && !isDigit(text.charCodeAt(end + 5))) {
    stamp.year = late;
    end += 5;
  }
  return end;
};

/** `10/Oct/2000:13:55:36 -0700`, `04-Dec-2005 10:00:00`, `14 Jun 2005 15:16:01`. */
const dayMonthName: Reader = (text, at, stamp) => {
  let from = skipWeekday(text, at);
  reset(stamp);
  from = dayOfMonth(text, from, stamp);
  if (from < 0) return -1;
  const month = monthName(text, from + 1);
  if (month < 0) return -1;
  stamp.month = month;
  from += 4;
  const year = digits(text, from + 1, 4);
  if (year >= 1970 && year <= 2199 && !isDigit(text.charCodeAt(from + 5))) {
    stamp.year = year;
    from += 5;
  }
  return dateAndClock(text, from, stamp);
};

/** Seconds, milliseconds, microseconds or nanoseconds since 1970, by their number of digits. */
function epoch(count: number, perMs: number): Reader {
  return (text, at, stamp) => {
    const value = digits(text, at, count);
    if (value < 0 || isDigit(text.charCodeAt(at + count))) return -1;
    let ms = value / perMs;
    // 1990 to 2100: other numbers of that length are rarely within.
    if (ms < 631_152_000_000 || ms > 4_102_444_800_000) return -1;
    let end = at + count;
    if (count === 10 && text.charCodeAt(end) === 46 && isDigit(text.charCodeAt(end + 1))) {
      let scale = 100;
      end++;
      while (isDigit(text.charCodeAt(end))) {
        ms += (text.charCodeAt(end) - 48) * scale;
        scale /= 10;
        end++;
      }
    }
    const next = text.charCodeAt(end);
    if (isLetter(next) || next === 95 || next === 45) return -1;
    reset(stamp);
    stamp.epochMs = ms;
    stamp.hasClock = true;
    return end;
  };
}

/** In the order in which they are tried; the first of those that fit most lines is taken. */
export const STAMP_FORMATS: readonly StampFormat[] = [
  { name: 'iso', read: iso },
  { name: 'syslog', read: named },
  { name: 'access', read: dayMonthName },
  { name: 'epoch-s', read: epoch(10, 0.001) },
  { name: 'epoch-ms', read: epoch(13, 1) },
  { name: 'epoch-us', read: epoch(16, 1e3) },
  { name: 'epoch-ns', read: epoch(19, 1e6) },
  { name: 'ymd', read: ordered('ymd') },
  { name: 'mdy', read: ordered('mdy') },
  { name: 'dmy', read: ordered('dmy') },
  { name: 'month-day', read: monthDay },
  { name: 'compact', read: compact },
  { name: 'glog', read: glog },
  { name: 'date', read: dateAlone },
  { name: 'clock', read: clockAlone },
];
