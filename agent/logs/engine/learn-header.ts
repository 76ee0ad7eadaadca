/**
 * Learns from a sample which fields lines begin with. It walks all lines of the sample from left to right at once: at
 * each step a kind of field is taken if nearly all of them have it there, or if a time or a level follows behind a few
 * words more. What follows the last of them is the message.
 */
import {
  bracketEnd,
  bracketField,
  closedField,
  createHeaderValues,
  dashedField,
  delimitedField,
  type Field,
  type HeaderValues,
  letterField,
  levelField,
  literalField,
  numberField,
  paddedField,
  priorityField,
  programField,
  skipMark,
  skipSpaces,
  stampField,
  wordEnd,
  wordField,
} from './fields.ts';
import type { Header } from './header.ts';
import { STAMP_FORMATS } from './stamp-formats.ts';
import type { FieldKind } from './types.ts';

/** Of the lines that are still followed. */
const NEARLY_ALL = 0.9;
const ALL = 0.985;
/** Of all lines, for the first field: there may be stack traces, and messages of other programs. */
const FIRST = 0.6;
const PROGRAM = 0.85;
const PROGRAM_AFTER_HOST = 0.6;
const MAX_FIELDS = 16;
const LOOK_AHEAD = 9;

const STAMPS: readonly Field[] = STAMP_FORMATS.map(stampField);
const LETTER = letterField(false);
const GLUED_LETTER = letterField(true);

/** The lines of the sample, each with the place up to which it was read. */
interface Walk {
  lines: string[];
  at: number[];
}

/** Lines that begin like a stack trace or a text that goes on are no evidence of a header. */
export function startsLikeMore(line: string): boolean {
  const code = line.charCodeAt(0);
  if (line === '' || code === 32 || code === 9 || code === 125 || code === 41) return true;
  return /^(?:Caused by|Traceback \(|Suppressed:|goroutine \d|\.\.\. \d+ |[\w$.]+(?:Exception|Error)\b|During handling|created by )/.test(
    line,
  );
}

const LOOKED_AT = 400;

/** So many of them, from all over the sample. */
function spread(lines: readonly string[]): string[] {
  if (lines.length <= LOOKED_AT) return [...lines];
  const step = lines.length / LOOKED_AT;
  return Array.from({ length: LOOKED_AT }, (_, i) => lines[Math.floor(i * step)] as string);
}

/** Undefined where lines begin with nothing that they share. */
export function learnHeader(sample: readonly string[]): Header | undefined {
  const lines = spread(sample.filter((line) => !startsLikeMore(line)));
  if (lines.length === 0) return undefined;
  let walk: Walk = { lines, at: lines.map(() => 0) };
  const fields: Field[] = [];
  const take = (field: Field, follow = false): void => {
    fields.push(field);
    if (follow) walk = followed(walk, field);
    advance(walk, field);
  };

  if (share(walk, priorityField) >= FIRST) take(priorityField, true);
  const priority = fields.length > 0;
  if (priority && share(walk, numberField('other')) >= ALL) {
    const rfc5424 = learnRfc5424(walk, fields);
    if (rfc5424 !== undefined) return { ...rfc5424, share: walk.lines.length / lines.length };
  }
  let syslog = priority;
  while (fields.length < MAX_FIELDS) {
    const timed = fields.some(({ kind }) => kind === 'time');
    const levelled = fields.some(({ kind }, index) => kind === 'level' && !(priority && index === 0));
    const first = fields.length === 0 || (priority && fields.length === 1);
    const enough = first ? FIRST : NEARLY_ALL;

    const stamp = bestStamp(walk, enough);
    if (stamp !== undefined) {
      if (stamp.stamp?.name === 'syslog') syslog = true;
      take(stamp, first);
      continue;
    }
    if (first && share(walk, GLUED_LETTER) >= enough) {
      const after = { lines: walk.lines, at: [...walk.at] };
      const kept = followed(after, GLUED_LETTER);
      advance(kept, GLUED_LETTER);
      if (bestStamp(kept, NEARLY_ALL) !== undefined) {
        take(GLUED_LETTER, true);
        continue;
      }
    }
    const literal = commonLiteral(walk);
    if (literal !== undefined && (timed || levelled || ahead(walk))) {
      take(literalField(literal));
      continue;
    }
    if (!levelled && share(walk, levelField) >= (first ? NEARLY_ALL : NEARLY_ALL)) {
      take(levelField);
      continue;
    }
    if (!levelled && timed && share(walk, LETTER) >= ALL) {
      take(LETTER);
      continue;
    }
    if (timed || levelled) {
      const delimited = delimiter(walk);
      if (delimited !== undefined) {
        take(
          delimitedField(
            kindOfColumn(walk, fields, (text, at) => text.indexOf(delimited, at)),
            delimited,
          ),
        );
        continue;
      }
      if (share(walk, bracketField('other')) >= NEARLY_ALL) {
        const kind = kindOfColumn(walk, fields, (text, at) => bracketEnd(text, at));
        take(
          bracketField(kind === 'pid' ? 'pid' : fields.some((f) => f.kind === 'thread') ? 'other' : 'thread'),
        );
        continue;
      }
      if (share(walk, numberField('other')) >= ALL) {
        take(numberField(kindOfColumn(walk, fields, wordEnd)));
        continue;
      }
    }
    if (timed && programFollows(walk)) break;
    if (ahead(walk)) {
      take(wordField(kindOfColumn(walk, fields, wordEnd)));
      continue;
    }
    break;
  }
  if (!fields.some(({ kind }) => kind === 'time' || kind === 'level')) return undefined;
  const hosted = learnProgram(walk, fields);
  return { fields, ...timeOf(fields), share: walk.lines.length / lines.length, syslog: syslog && hosted };
}

/** `<34>1 2003-10-11T22:14:15.003Z host app procid msgid [data] message`. */
function learnRfc5424(walk: Walk, before: readonly Field[]): Omit<Header, 'share'> | undefined {
  const at = [...walk.at];
  const fields = [...before, numberField('other')];
  advance(walk, numberField('other'));
  const stamp = bestStamp(walk, NEARLY_ALL);
  if (stamp === undefined) {
    walk.at = at;
    return undefined;
  }
  fields.push(stamp, wordField('host'), wordField('process'), wordField('pid'), wordField('other'), {
    kind: 'other',
    optional: true,
    read(text, from) {
      if (text.charCodeAt(from) === 45) return from + 1;
      let end = bracketEnd(text, from);
      while (text.charCodeAt(end) === 91) end = bracketEnd(text, end);
      return end;
    },
  });
  return { fields, ...timeOf(fields), syslog: true };
}

const PROGRAM_WORD = /^[^\s:[\]]+(?:\[\d+\])?:$/;

interface Program {
  own: number;
  later: number;
  hosted: boolean;
}

/** How many lines go on with a program, or with a word and a program: that word is a host. */
function findProgram(walk: Walk): Program {
  const words = column(walk, wordEnd);
  const alone = words.filter((word) => PROGRAM_WORD.test(word)).length / words.length;
  const at = walk.lines.map((line, i) => nextWord(line, walk.at[i] as number));
  const later = share({ lines: walk.lines, at }, programField);
  const few = new Set(words).size <= Math.max(3, words.length / 5);
  return {
    own: share(walk, programField),
    later,
    hosted: few && later >= PROGRAM_AFTER_HOST && later > alone,
  };
}

function programFollows(walk: Walk): boolean {
  const { own, hosted } = findProgram(walk);
  return hosted || own >= PROGRAM;
}

/** Host and program of syslog, or the component of other logs; whether there was a host. */
function learnProgram(walk: Walk, fields: Field[]): boolean {
  const { own, hosted } = findProgram(walk);
  if (hosted) {
    fields.push(wordField('host'), programField);
    return true;
  }
  for (const field of [dashedField, closedField])
    if (share(walk, field) >= PROGRAM) {
      fields.push(field);
      return false;
    }
  if (own >= PROGRAM) {
    fields.push({ ...programField, kind: 'component', read: asComponent });
    return false;
  }
  if (share(walk, paddedField) >= PROGRAM && distinct(walk, wordEnd) <= Math.max(3, walk.lines.length / 10))
    fields.push(paddedField);
  return false;
}

function asComponent(text: string, at: number, values: HeaderValues): number {
  const process = values.process;
  const end = programField.read(text, at, values);
  if (end < 0) return -1;
  values.component = values.process;
  values.process = process;
  return end;
}

const scratch = createHeaderValues();

function share(walk: Walk, field: Field): number {
  let hits = 0;
  for (let i = 0; i < walk.lines.length; i++) {
    const line = walk.lines[i] as string;
    if (field.read(line, skipSpaces(line, walk.at[i] as number), scratch) >= 0) hits++;
  }
  return walk.lines.length === 0 ? 0 : hits / walk.lines.length;
}

const followed = (walk: Walk, field: Field): Walk => {
  const keep = walk.lines.map(
    (line, i) => field.read(line, skipSpaces(line, walk.at[i] as number), scratch) >= 0,
  );
  return { lines: walk.lines.filter((_, i) => keep[i]), at: walk.at.filter((_, i) => keep[i]) };
};

function advance(walk: Walk, field: Field): void {
  for (let i = 0; i < walk.lines.length; i++) {
    const line = walk.lines[i] as string;
    const from = skipSpaces(line, walk.at[i] as number);
    const end = field.read(line, from, scratch);
    walk.at[i] = end < 0 ? from : skipMark(line, end);
  }
}

function bestStamp(walk: Walk, enough: number): Field | undefined {
  let best: Field | undefined;
  let most = 0;
  for (const stamp of STAMPS) {
    const found = share(walk, stamp);
    if (found > most) {
      most = found;
      best = stamp;
    }
    if (found === 1) break;
  }
  return most >= enough ? best : undefined;
}

/** A word of signs alone that all lines have here. */
function commonLiteral(walk: Walk): string | undefined {
  const line = walk.lines[0] as string;
  const at = skipSpaces(line, walk.at[0] as number);
  const word = line.slice(at, wordEnd(line, at));
  if (!/^[-:|>=#~.*]{1,5}$/.test(word)) return undefined;
  return share(walk, literalField(word)) >= ALL ? word : undefined;
}

/** A bar or tab that ends the field at hand in nearly all lines before any space. */
function delimiter(walk: Walk): string | undefined {
  for (const mark of ['|', '\t']) {
    let hits = 0;
    walk.lines.forEach((line, i) => {
      const at = walk.at[i] as number;
      const end = line.indexOf(mark, at);
      if (end >= 0 && end - at <= 60 && !/\S\s+\S/.test(line.slice(at, end))) hits++;
    });
    if (hits / walk.lines.length >= ALL) return mark;
  }
  return undefined;
}

/** Whether a time or a level, or soon a bracket, follows behind a few words in nearly all lines. */
function ahead(walk: Walk): boolean {
  const later: Walk = { lines: walk.lines, at: [...walk.at] };
  for (let words = 1; words <= LOOK_AHEAD; words++) {
    for (let i = 0; i < later.lines.length; i++)
      later.at[i] = nextWord(later.lines[i] as string, later.at[i] as number);
    if (bestStamp(later, NEARLY_ALL) !== undefined) return true;
    if (share(later, levelField) >= NEARLY_ALL) return true;
    if (words === 1 && share(later, bracketField('other')) >= NEARLY_ALL) return true;
  }
  return false;
}

const nextWord = (line: string, at: number): number => skipSpaces(line, wordEnd(line, skipSpaces(line, at)));

function distinct(walk: Walk, end: (text: string, at: number) => number): number {
  return new Set(column(walk, end)).size;
}

const column = (walk: Walk, end: (text: string, at: number) => number): string[] =>
  walk.lines.map((line, i) => {
    const from = skipSpaces(line, walk.at[i] as number);
    return line.slice(from, Math.max(from, end(line, from)));
  });

/** By what stands in it. */
function kindOfColumn(
  walk: Walk,
  fields: readonly Field[],
  end: (text: string, at: number) => number,
): FieldKind {
  const has = (kind: FieldKind) => fields.some((field) => field.kind === kind);
  const values = column(walk, end).map((value) => value.replace(/^\[|\]$/g, ''));
  const most = (test: RegExp) => values.filter((value) => test.test(value)).length / values.length > 0.8;
  if (!has('time') || new Set(values).size === 1) return 'other';
  if (most(/^(?:pid[ :=]?)?\d{1,10}(?::tid \d+)?$/))
    return has('pid') ? (has('thread') ? 'other' : 'thread') : 'pid';
  if (!has('host') && most(/^(?=\D*\d)[A-Za-z_]*[-.\d][\w.:-]*$/)) return 'host';
  if (!has('component') && most(/^[A-Za-z_][\w.$/:-]*$/)) return 'component';
  return 'other';
}

/** An epoch is sure of its zone; a date with a clock says more than either. */
function timeOf(fields: readonly Field[]): { timeField: number; clockField: number } {
  const rank = (field: Field): number => {
    const name = field.stamp?.name;
    if (name === undefined) return -1;
    if (name.startsWith('epoch')) return 5;
    if (name === 'syslog' || name === 'month-day' || name === 'glog') return 3;
    return name === 'date' ? 2 : name === 'clock' ? 1 : 4;
  };
  let timeField = -1;
  fields.forEach((field, index) => {
    if (rank(field) > (timeField < 0 ? 0 : rank(fields[timeField] as Field))) timeField = index;
  });
  const apart = timeField >= 0 && fields[timeField]?.stamp?.name === 'date';
  return { timeField, clockField: apart ? fields.findIndex((field) => field.stamp?.name === 'clock') : -1 };
}
