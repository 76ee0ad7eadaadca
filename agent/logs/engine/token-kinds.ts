/** What a word of a message is by the characters that it is made of. */

export const WORD = 0;
export const SEPARATOR = 1;
/** Letters with one or two digits: constant unless it turns out to vary. */
export const SOFT = 2;
/** From here on values. */
export const NUM = 3;
export const IP = 4;
export const PATH = 5;
export const UUID = 6;
export const HEX = 7;
export const DURATION = 8;
export const ANY = 9;

/** Kinds of characters, as bits: what a word holds. */
export const DIGIT = 1;
export const HEX_LETTER = 2;
export const LETTER = 4;
export const DOT = 8;
export const SLASH = 16;
export const DASH = 32;
export const COLON = 64;
export const OTHER = 128;
export const SCHEME = 256;
export const BACKSLASH = 512;
export const AT = 1024;
export const PERCENT = 2048;
export const ALNUM = DIGIT | HEX_LETTER | LETTER;

export const CLASS = new Uint8Array(128);
for (let c = 48; c <= 57; c++) CLASS[c] = DIGIT;
for (let c = 65; c <= 90; c++) CLASS[c] = CLASS[c + 32] = c <= 70 ? HEX_LETTER : LETTER;
CLASS[95] = LETTER;

export const classAt = (text: string, at: number): number => {
  const code = text.charCodeAt(at);
  return code < 128 ? (CLASS[code] as number) : code >= 128 ? LETTER : 0;
};

/** Of the word from `start` to `end`, of which `flags` and the counts were taken while it was scanned. */
export function classify(
  text: string,
  start: number,
  end: number,
  flags: number,
  digits: number,
  letters: number,
  colons: number,
  dots: number,
): number {
  const first = text.charCodeAt(start);
  if (digits === 0) {
    if (flags & SCHEME) return PATH;
    if (flags & SLASH && (first === 47 || first === 46)) return PATH;
    if (flags & BACKSLASH && text.charCodeAt(start + 1) === 58) return PATH;
    if (flags & AT) return ANY;
    if (colons > 1) return IP;
    if (letters >= 8 && (flags & ~HEX_LETTER) === 0) return HEX;
    return WORD;
  }
  if ((flags & ~(DIGIT | DOT | DASH | PERCENT | OTHER)) === 0 && colons === 0) {
    if (dots === 3 && !(flags & (DASH | PERCENT | OTHER)) && digits <= 12) return IP;
    if (dots <= 1 && (!(flags & DASH) || (first === 45 && text.lastIndexOf('-', end - 1) === start)))
      return NUM;
    return ANY;
  }
  const length = end - start;
  if (colons > 0 && (flags & ~(DIGIT | HEX_LETTER | DOT | COLON)) === 0) {
    if (dots === 3) return IP;
    if (colons >= 2 && (flags & HEX_LETTER || colons > 3)) return IP;
    return colons <= 2 && !(flags & HEX_LETTER) ? DURATION : ANY;
  }
  if (flags & (SLASH | BACKSLASH)) {
    if (flags & SCHEME || (flags & BACKSLASH && text.charCodeAt(start + 1) === 58)) return PATH;
    if (first === 47)
      return dots === 3 && !(flags & (HEX_LETTER | LETTER)) && text.indexOf('/', start + 1) === -1
        ? IP
        : PATH;
    if (flags & SLASH && letters > digits) return PATH;
    return ANY;
  }
  if (length === 36 && (flags & ~(DIGIT | HEX_LETTER | DASH)) === 0 && isUuid(text, start)) return UUID;
  if (first === 48 && (text.charCodeAt(start + 1) | 32) === 120) return HEX;
  if (
    (flags & ~(DIGIT | HEX_LETTER)) === 0 &&
    length >= 4 &&
    (length >= 7 || digits > 2 || letters < 2 || first < 58)
  )
    return HEX;
  if (first <= 57 && (flags & ~(DIGIT | HEX_LETTER | LETTER | DOT)) === 0 && letters <= 4)
    return isUnit(text, start, end) ? DURATION : ANY;
  if (digits <= 2 && letters >= 2 && first > 57 && (flags & ~(DIGIT | HEX_LETTER | LETTER)) === 0)
    return PROTOCOLS.has(text.slice(start, end).toLowerCase()) ? WORD : SOFT;
  return ANY;
}

function isUuid(text: string, start: number): boolean {
  return (
    text.charCodeAt(start + 8) === 45 &&
    text.charCodeAt(start + 13) === 45 &&
    text.charCodeAt(start + 18) === 45 &&
    text.charCodeAt(start + 23) === 45
  );
}

/** Words in spite of their digit. */
const PROTOCOLS = new Set(
  'ipv4 ipv6 sslv2 sslv3 ssl2 ssl3 tls1 tlsv1 http1 http2 http3 utf8 sha1 md5 nat64'.split(' '),
);
const MONTHS = new Set(['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']);
const WEEKDAYS = new Set(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']);

/** A month before a number, or a weekday before a month or a number. */
export function isDateWord(text: string, start: number): boolean {
  const word = text.slice(start, start + 3);
  const weekday = WEEKDAYS.has(word);
  if (!weekday && !MONTHS.has(word)) return false;
  let at = start + 3;
  while (at < start + 6 && (text.charCodeAt(at) === 32 || text.charCodeAt(at) === 44)) at++;
  if (at === start + 3) return false;
  return classAt(text, at) === DIGIT || (weekday && MONTHS.has(text.slice(at, at + 3)));
}

const UNITS = new Set(
  'ns us µs ms s sec secs second seconds msec msecs usec usecs nsec nsecs millis milliseconds millisecond microsecond microseconds nanoseconds m min mins minute minutes h hr hrs hour hours d day days'.split(
    ' ',
  ),
);

/** `12ms`, `1.5s`: from the first letter on it must be a unit of time. */
function isUnit(text: string, start: number, end: number): boolean {
  let at = start;
  while (at < end && (text.charCodeAt(at) < 65 || text.charCodeAt(at) === 95)) at++;
  return UNITS.has(text.slice(at, end));
}

/** Where a unit of time or size ends that follows a number after one space, or 0. `s` and `m` are too ambiguous. */
export function unitEnd(text: string, at: number, limit: number): number {
  if (text.charCodeAt(at) !== 32) return 0;
  const first = text.charCodeAt(at + 1);
  if (first < 91) return sizeUnitEnd(text, at + 1);
  // d h m n s u
  if (first !== 115 && first !== 109 && first !== 117 && first !== 110 && first !== 104 && first !== 100)
    return 0;
  let end = at + 1;
  while (end < limit && end < at + 14 && classAt(text, end) & (LETTER | HEX_LETTER)) end++;
  if (classAt(text, end) & ALNUM || end - at < 3) return 0;
  return UNITS.has(text.slice(at + 1, end)) ? end : 0;
}

/** `B`, `KB`, `MiB`. */
function sizeUnitEnd(text: string, at: number): number {
  let end = at;
  const first = text.charCodeAt(at);
  // K M G T P
  if (first === 75 || first === 77 || first === 71 || first === 84 || first === 80) end++;
  if (end > at && text.charCodeAt(end) === 105) end++;
  if (text.charCodeAt(end) !== 66 || classAt(text, end + 1) !== 0) return 0;
  return end + 1;
}
