/**
 * Splits a message into words and separators and says which words are values, in one pass over its characters: this
 * runs for every line. A word with digits is a value unless it is short and mostly letters (`eth0`, `IPv6`); whether
 * those, and words of letters, vary is decided later from all messages (`merge.ts`).
 */
import {
  ALNUM,
  ANY,
  AT,
  BACKSLASH,
  CLASS,
  COLON,
  classAt,
  classify,
  DASH,
  DIGIT,
  DOT,
  DURATION,
  HEX_LETTER,
  isDateWord,
  LETTER,
  NUM,
  OTHER,
  PERCENT,
  SCHEME,
  SEPARATOR,
  SLASH,
  unitEnd,
  WORD,
} from './token-kinds.ts';

export const MAX_TOKENS = 400;
const MAX_CHARS = 8192;
export const LONGEST_RUN = 3;

/** The tokens of the message scanned last; its arrays are used again by the next scan. */
export interface Scan {
  length: number;
  kinds: Uint8Array;
  starts: Int32Array;
  ends: Int32Array;
  /** 1 where white space precedes the token. */
  spaced: Uint8Array;
  /** Of all that is not a value: equal for messages that differ in their values alone. */
  hash: number;
}

export function createScan(): Scan {
  return {
    length: 0,
    kinds: new Uint8Array(MAX_TOKENS + 2),
    starts: new Int32Array(MAX_TOKENS + 2),
    ends: new Int32Array(MAX_TOKENS + 2),
    spaced: new Uint8Array(MAX_TOKENS + 2),
    hash: 0,
  };
}

/** Scans `text` from `from` into `scan`. Linear in the length of the text. `seed` sets the hash apart. */
export function scanMessage(scan: Scan, text: string, from: number, seed = 0): void {
  const { kinds, starts, ends, spaced } = scan;
  const limit = Math.min(text.length, from + MAX_CHARS);
  let count = 0;
  let high = (0x811c9dc5 ^ seed) | 0;
  let low = 0x1b873593 | 0;
  let at = from;
  let space = 0;
  while (at < limit && count < MAX_TOKENS) {
    const code = text.charCodeAt(at);
    if (code <= 32 || code === 127 || code === 160) {
      space = 1;
      at++;
      continue;
    }
    const start = at;
    let flags = 0;
    let digits = 0;
    let letters = 0;
    let colons = 0;
    let dots = 0;
    let hash = 0x811c9dc5 | 0;
    word: while (at < limit) {
      const c = text.charCodeAt(at);
      const kind = c < 128 ? (CLASS[c] as number) : LETTER;
      if (kind !== 0) {
        if (kind === DIGIT) digits++;
        else letters++;
        flags |= kind;
      } else {
        switch (c) {
          case 46: // .
            if (text.charCodeAt(at + 1) !== 47) {
              if (!(classAt(text, at + 1) & ALNUM) || (at > start && text.charCodeAt(at - 1) === 46))
                break word;
            } else if (classAt(text, at + 2) === 0) break word;
            dots++;
            flags |= DOT;
            break;
          case 45: // -
            if (at === start ? classAt(text, at + 1) !== DIGIT : !(classAt(text, at + 1) & ALNUM)) break word;
            flags |= DASH;
            break;
          case 47: // /
            if (at === start && !continuesPath(text, at + 1) && !isRoot(text, at, space)) break word;
            flags |= SLASH;
            break;
          case 92: // backslash
            if (at === start) break word;
            flags |= BACKSLASH;
            break;
          case 58: {
            // :
            if (at === start) {
              if (text.charCodeAt(at + 1) !== 58 || !(classAt(text, at + 2) & (DIGIT | HEX_LETTER)))
                break word;
              if (!looksIpv6(text, at)) break word;
              flags |= COLON;
              colons++;
              break;
            }
            const next = text.charCodeAt(at + 1);
            if (next === 47 && text.charCodeAt(at + 2) === 47) flags |= SCHEME | SLASH;
            else if (next === 92 && at === start + 1) flags |= BACKSLASH;
            else if ((flags & SCHEME) !== 0 && classAt(text, at + 1) === DIGIT) flags |= OTHER;
            else if (
              (flags & ~(DIGIT | HEX_LETTER | DOT | COLON | DASH)) === 0 &&
              (classAt(text, at + 1) & (DIGIT | HEX_LETTER) || (next === 58 && flags & (DIGIT | COLON))) &&
              (flags & DIGIT || isMac(text, start, at))
            ) {
              flags |= COLON;
              colons++;
            } else if (flags & SLASH && flags & DOT && classAt(text, at + 1) === DIGIT && digits > 3)
              flags |= OTHER;
            else break word;
            break;
          }
          case 64: // @
            if (at === start || !(classAt(text, at + 1) & ALNUM)) break word;
            flags |= AT;
            break;
          case 36: // $
            if (at === start || !(classAt(text, at + 1) & ALNUM)) break word;
            flags |= OTHER;
            break;
          case 39: // apostrophe
            if (at === start || !(flags & ALNUM) || !(classAt(text, at + 1) & (LETTER | HEX_LETTER)))
              break word;
            if (classAt(text, at - 1) === 0) break word;
            flags |= OTHER;
            break;
          case 37: // %
            if (flags & SLASH && flags & ~SLASH) flags |= OTHER;
            else if (flags & DIGIT && !(flags & (HEX_LETTER | LETTER))) flags |= PERCENT;
            else break word;
            break;
          case 38: // & ? = in addresses
          case 61:
          case 63:
            if (!(flags & SLASH) || !(flags & (SCHEME | DIGIT | LETTER))) break word;
            if (c !== 63 && !hasQuery(text, start, at)) break word;
            flags |= OTHER;
            break;
          case 43: // +
            if (!(flags & SLASH) && (at !== start || space === 0) && !signsAfterComma(text, start, at))
              break word;
            if (classAt(text, at + 1) !== DIGIT && !(flags & SLASH)) break word;
            if (flags & SLASH) flags |= OTHER;
            break;
          case 42: // * hides digits, as in ****1234
            if (at > start ? text.charCodeAt(at - 1) !== 42 : text.charCodeAt(at + 1) !== 42) break word;
            if (!hidesDigits(text, at)) break word;
            break;
          case 126: {
            // ~
            const next = text.charCodeAt(at + 1);
            if (!(flags & SLASH) && (at === start || (next !== 126 && !(classAt(text, at + 1) & ALNUM))))
              break word;
            flags |= OTHER;
            break;
          }
          case 35: // #
            if (!(flags & SLASH)) break word;
            flags |= OTHER;
            break;
          case 60: // <1 sec, >5
          case 62:
            if (at !== start || space === 0 || classAt(text, at + 1) !== DIGIT || closesTag(text, at + 1))
              break word;
            flags |= OTHER;
            break;
          default:
            break word;
        }
      }
      hash = Math.imul(hash ^ c, 0x01000193);
      at++;
    }
    if (at === start) {
      // A separator; a run of the same one counts thrice at most, so that rules and leaders of any length are alike.
      at++;
      while (at < limit && text.charCodeAt(at) === code) at++;
      const hidden =
        code === 42 && space === 1 && at - start >= LONGEST_RUN && isPlaceholder(text, at, kinds[count - 1]);
      kinds[count] = hidden ? ANY : SEPARATOR;
      hash = hidden ? 7 : code + Math.min(at - start, LONGEST_RUN) * 257;
    } else {
      let kind = classify(text, start, at, flags, digits, letters, colons, dots);
      if (kind === WORD && at - start === 3 && code < 91 && isDateWord(text, start)) kind = ANY;
      if (kind === NUM) {
        const end = unitEnd(text, at, limit);
        if (end > 0) {
          kind = text.charCodeAt(end - 1) === 66 ? ANY : DURATION;
          at = end;
        }
      }
      kinds[count] = kind;
      if (kind >= NUM) hash = 7;
    }
    starts[count] = start;
    ends[count] = at;
    spaced[count] = count === 0 ? 0 : space;
    high = Math.imul(high ^ hash ^ (spaced[count] as number), 0x01000193);
    high ^= high >>> 15;
    low = Math.imul(low + hash + (spaced[count] as number), 0x85ebca6b);
    low ^= low >>> 13;
    count++;
    space = 0;
  }
  if (at < text.length && count > 0 && text.slice(at, at + 64).trim() !== '') {
    starts[count] = at;
    ends[count] = text.length;
    kinds[count] = ANY;
    spaced[count] = space;
    high = Math.imul(high ^ 11, 0x01000193);
    count++;
  }
  scan.length = count;
  scan.hash = (high >>> 0) * 0x200000 + ((low >>> 0) & 0x1fffff);
}

function continuesPath(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (classAt(text, at) & ALNUM) !== 0 || code === 46 || code === 126 || code === 36;
}

/** A slash alone between spaces. */
function isRoot(text: string, at: number, space: number): boolean {
  return (space === 1 || at === 0) && (at + 1 >= text.length || text.charCodeAt(at + 1) === 32);
}

function hasQuery(text: string, start: number, at: number): boolean {
  for (let i = at - 1; i > start && i > at - 256; i--) if (text.charCodeAt(i) === 63) return true;
  return false;
}

const isMac = (text: string, start: number, at: number): boolean =>
  at - start === 2 && text.charCodeAt(at + 3) === 58 && (classAt(text, at + 2) & (DIGIT | HEX_LETTER)) !== 0;

function looksIpv6(text: string, at: number): boolean {
  const before = at === 0 ? 32 : text.charCodeAt(at - 1);
  return before === 32 || before === 91 || before === 40 || before === 61 || before === 47;
}

const signsAfterComma = (text: string, start: number, at: number): boolean =>
  at === start && at > 0 && text.charCodeAt(at - 1) === 44;

/** Whether stars stand in a list for a number that is not known: between spaces, next to a value. */
function isPlaceholder(text: string, end: number, before: number | undefined): boolean {
  const code = text.charCodeAt(end);
  if (end < text.length && code !== 32) return false;
  return (before !== undefined && before >= NUM) || classAt(text, end + 1) === DIGIT;
}

function hidesDigits(text: string, at: number): boolean {
  let end = at;
  while (text.charCodeAt(end) === 42 && end - at < 32) end++;
  return classAt(text, end) === DIGIT;
}

/** Whether digits are followed by the `>` that closes what `<` opened, as in `<30>`. */
function closesTag(text: string, at: number): boolean {
  for (let i = at; i < at + 40 && i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 62) return true;
    if (code <= 32) return false;
  }
  return false;
}
