/** The kinds of fields that a header is made of: each reads one at a given place of a line. */

import type { LogLevelName } from '../../../protocol/log-tools.ts';
import { levelLetter, levelNamed, syslogLevel } from './level.ts';
import { createStamp, type Stamp } from './stamp.ts';
import type { StampFormat } from './stamp-formats.ts';
import type { FieldKind } from './types.ts';

/** What the header of one line said. Used again for the next line. */
export interface HeaderValues {
  stamp: Stamp;
  timed: boolean;
  level: LogLevelName | undefined;
  host: string | undefined;
  process: string | undefined;
  pid: string | undefined;
  thread: string | undefined;
  component: string | undefined;
}

export const createHeaderValues = (): HeaderValues => ({
  stamp: createStamp(),
  timed: false,
  level: undefined,
  host: undefined,
  process: undefined,
  pid: undefined,
  thread: undefined,
  component: undefined,
});

export function clearHeaderValues(values: HeaderValues): void {
  values.timed = false;
  values.level = undefined;
  values.host = undefined;
  values.process = undefined;
  values.pid = undefined;
  values.thread = undefined;
  values.component = undefined;
}

export interface Field {
  kind: FieldKind;
  /** Gives where the field ends, or -1; fills in what it stands for. */
  read(text: string, at: number, values: HeaderValues): number;
  stamp?: StampFormat;
  /** A line may lack it. */
  optional?: boolean;
}

export function skipSpaces(text: string, at: number): number {
  let end = at;
  let code = text.charCodeAt(end);
  while (code === 32 || code === 9) code = text.charCodeAt(++end);
  return end;
}

/** A comma, colon or bar right behind a field. */
export function skipMark(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code === 44 || code === 58 || code === 59 || code === 124 ? at + 1 : at;
}

/** The end of what stands between spaces. */
export function wordEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length) {
    const code = text.charCodeAt(end);
    if (code === 32 || code === 9) break;
    end++;
  }
  return end;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;

const CLOSING: Readonly<Record<number, number>> = { 91: 93, 40: 41, 60: 62, 34: 34 };

/** A time, perhaps in brackets; what else stands in them is left. */
export function stampField(format: StampFormat): Field {
  return {
    kind: 'time',
    stamp: format,
    read(text, at, values) {
      const close = CLOSING[text.charCodeAt(at)];
      const end = format.read(text, close === undefined ? at : at + 1, values.stamp);
      if (end < 0) return -1;
      const next = text.charCodeAt(end);
      if (isDigit(next) || next === 45 || (isLetter(next) && close === undefined)) return -1;
      values.timed = true;
      return close !== undefined && next === close ? end + 1 : end;
    },
  };
}

/** A column with nothing but the same signs. */
export function literalField(literal: string): Field {
  return {
    kind: 'other',
    read: (text, at) => (text.startsWith(literal, at) ? at + literal.length : -1),
    optional: true,
  };
}

/** `INFO`, `[error]`, `<Warn>`, `[core:notice]`, `WARNING:`. */
export const levelField: Field = {
  kind: 'level',
  optional: true,
  read(text, at, values) {
    const close = CLOSING[text.charCodeAt(at)];
    let from = close === undefined ? at : at + 1;
    while (text.charCodeAt(from) === 32) from++;
    let end = from;
    let code = text.charCodeAt(end);
    while (isLetter(code) || isDigit(code) || (close !== undefined && (code === 58 || code === 95))) {
      if (code === 58) from = end + 1;
      code = text.charCodeAt(++end);
    }
    if (end - from < 3 || end - from > 13) return -1;
    const level = levelNamed(text.slice(from, end));
    if (level === undefined) return -1;
    if (close !== undefined) {
      while (text.charCodeAt(end) === 32) end++;
      if (text.charCodeAt(end) !== close) return -1;
      end++;
    } else if (
      end < text.length &&
      !(code === 32 || code === 9 || code === 58 || code === 44 || code === 124 || code === 93)
    )
      return -1;
    values.level = level;
    return end;
  },
};

/** `D ` or `D/` as in logcat; with `glued` the letter before glog's month and day. */
export function letterField(glued: boolean): Field {
  return {
    kind: 'level',
    optional: !glued,
    read(text, at, values) {
      const level = levelLetter(text.charAt(at));
      const next = text.charCodeAt(at + 1);
      if (level === undefined || !(glued ? isDigit(next) : next === 32 || next === 47 || next === 44))
        return -1;
      values.level = level;
      return at + (next === 47 ? 2 : 1);
    },
  };
}

/** `<34>`: RFC 3164's priority, of which the last three bits are the severity. */
export const priorityField: Field = {
  kind: 'level',
  optional: true,
  read(text, at, values) {
    if (text.charCodeAt(at) !== 60) return -1;
    const end = text.indexOf('>', at);
    if (end < at + 2 || end > at + 4) return -1;
    const value = Number(text.slice(at + 1, end));
    if (!(value >= 0 && value <= 191)) return -1;
    values.level = syslogLevel(value & 7);
    return end + 1;
  },
};

function set(values: HeaderValues, kind: FieldKind, value: string): void {
  if (kind === 'time' || kind === 'level' || kind === 'other' || value === '-' || value === '') return;
  values[kind] = value;
}

const MAX_BRACKET = 300;

/** The end of what is in brackets, those within included, or -1. */
export function bracketEnd(text: string, at: number): number {
  const open = text.charCodeAt(at);
  const close = CLOSING[open];
  if (close === undefined || open === 34) return -1;
  let depth = 0;
  const limit = Math.min(text.length, at + MAX_BRACKET);
  for (let i = at; i < limit; i++) {
    const code = text.charCodeAt(i);
    if (code === open) depth++;
    else if (code === close && --depth === 0) return i + 1;
  }
  return -1;
}

export function bracketField(kind: FieldKind): Field {
  return {
    kind,
    optional: true,
    read(text, at, values) {
      if (text.charCodeAt(at) !== 91) return -1;
      const end = bracketEnd(text, at);
      if (end < 0) return -1;
      set(values, kind, text.slice(at + 1, end - 1).trim());
      return end;
    },
  };
}

export function numberField(kind: FieldKind): Field {
  return {
    kind,
    optional: true,
    read(text, at, values) {
      let end = at;
      while (isDigit(text.charCodeAt(end))) end++;
      const next = text.charCodeAt(end);
      if (
        end === at ||
        end - at > 20 ||
        (end < text.length && next !== 32 && next !== 9 && next !== 58 && next !== 44)
      )
        return -1;
      set(values, kind, text.slice(at, end));
      return next === 58 || next === 44 ? end + 1 : end;
    },
  };
}

export function wordField(kind: FieldKind): Field {
  return {
    kind,
    read(text, at, values) {
      const end = wordEnd(text, at);
      if (end === at) return -1;
      set(values, kind, text.slice(at, end));
      return end;
    },
  };
}

/** Up to the next `mark`. */
export function delimitedField(kind: FieldKind, mark: string): Field {
  return {
    kind,
    read(text, at, values) {
      const end = text.indexOf(mark, at);
      if (end < 0) return -1;
      set(values, kind, text.slice(at, end).trim());
      return end + 1;
    },
  };
}

const MAX_NAME = 120;

/** `sshd[123]: `, `kernel: `, `Some Program[12] (x): `, `syslogd 1.4.1: `, `Tag   : `. */
export const programField: Field = {
  kind: 'process',
  optional: true,
  read(text, at, values) {
    let name = programName(text, at);
    if (name < 0) return -1;
    const from = text.startsWith('-- ', at) ? at + 3 : at;
    let end = name;
    let pid: string | undefined;
    if (text.charCodeAt(end) === 91) {
      const close = text.indexOf(']', end);
      if (close < 0 || close > end + 40) return -1;
      pid = text.slice(end + 1, close);
      end = close + 1;
      if (text.charCodeAt(end) === 32 && text.charCodeAt(end + 1) === 40) {
        const inner = bracketEnd(text, end + 1);
        if (inner > 0) end = inner;
      }
    }
    const spaced = skipSpaces(text, end);
    if (text.charCodeAt(spaced) !== 58) return -1;
    // `a::b` and `a:b` are words of a message.
    const next = text.charCodeAt(spaced + 1);
    if (spaced + 1 < text.length && next !== 32 && next !== 9 && pid === undefined) return -1;
    while (name > from && text.charCodeAt(name - 1) === 32) name--;
    values.process = text.slice(from, name);
    if (pid !== undefined && /^\d+$/.test(pid)) values.pid = pid;
    return spaced + 1;
  },
};

/** The end of a program's name: before `[`, `:` or the space that pads it. */
function programName(text: string, at: number): number {
  const limit = Math.min(text.length, at + MAX_NAME);
  let end = text.startsWith('-- ', at) ? at + 3 : at;
  const start = end;
  if (end >= limit) return -1;
  let spaces = 0;
  for (; end < limit; end++) {
    const code = text.charCodeAt(end);
    if (code === 91 && end > start) return isDigit(text.charCodeAt(end + 1)) || spaces === 0 ? end : -1;
    if (code === 58) {
      const next = text.charCodeAt(end + 1);
      if (next === 32 || next === 9 || end + 1 >= text.length) return end > start && spaces === 0 ? end : -1;
      if (spaces > 0) return -1;
    }
    if (code === 32) {
      const rest = skipSpaces(text, end);
      if (text.charCodeAt(rest) === 58 && spaces === 0) return end;
      if (isVersionThenColon(text, rest) && spaces === 0) return end + (wordEnd(text, rest) - end) - 1;
      if (++spaces > 2) return -1;
    }
    if (code === 61 || code === 34 || code === 59 || code === 44 || code === 123) return -1;
  }
  return -1;
}

function isVersionThenColon(text: string, at: number): boolean {
  if (!isDigit(text.charCodeAt(at))) return false;
  const end = wordEnd(text, at);
  return text.charCodeAt(end - 1) === 58 && text.slice(at, end).includes('.');
}

/** `name - message`, with one word more before the dash at most. */
export const dashedField: Field = {
  kind: 'component',
  optional: true,
  read(text, at, values) {
    let end = wordEnd(text, at);
    if (end === at) return -1;
    for (let words = 0; words < 2; words++) {
      if (text.startsWith(' - ', end)) {
        values.component = text.slice(at, end);
        return end + 3;
      }
      if (text.charCodeAt(end) !== 32) return -1;
      end = wordEnd(text, end + 1);
    }
    return -1;
  },
};

/** `file.go:123] message`, `name] message`. */
export const closedField: Field = {
  kind: 'component',
  optional: true,
  read(text, at, values) {
    const end = wordEnd(text, at);
    if (end - at < 2 || text.charCodeAt(end - 1) !== 93 || text.charCodeAt(at) === 91) return -1;
    values.component = text.slice(at, end - 1);
    return end;
  },
};

/** A name that is padded with spaces up to the message. */
export const paddedField: Field = {
  kind: 'component',
  optional: true,
  read(text, at, values) {
    const end = wordEnd(text, at);
    if (end === at || text.charCodeAt(end) !== 32 || text.charCodeAt(end + 1) !== 32) return -1;
    values.component = text.slice(at, end);
    return end;
  },
};
