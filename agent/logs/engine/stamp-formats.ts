/** Reads the ways in which logs write times, each from a given place of a line. */
import {
  clock,
  dayOfMonth,
  digits,
  isDigit,
  isLetter,
  monthName,
  type Stamp,
  skipWeekday,
  zone,
} from './stamp.ts';

/** Gives where the time ends, or -1. */
type Reader = (text: string, at: number, stamp: Stamp) => number;

export interface StampFormat {
  name: string;
  read: Reader;
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
