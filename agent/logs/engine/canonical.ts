import { LONGEST_RUN, MAX_TOKENS, type Scan } from './scan.ts';
import { isState } from './states.ts';
import { ANY, NUM, SEPARATOR, WORD } from './token-kinds.ts';

/** A message without the values of it and with lists of any length made alike. */
export interface Canonical {
  /** Of constants their text, of values ''. */
  texts: string[];
  kinds: number[];
  spaced: boolean[];
}

/** With the first and last token of the scan that each column stands for; -1 for none. */
export interface Columns extends Canonical {
  firsts: number[];
  lasts: number[];
}

const MAX_PERIOD = 16;

interface Draft {
  text: string;
  kind: number;
  spaced: boolean;
  first: number;
  last: number;
  /** A number with the unit of a size. */
  sized: boolean;
}

/** Runs once for each new form of a message, not for every line. */
export function canonicalize(scan: Scan, text: string): Columns {
  const drafts = collapseRepeats(collapseLists(joinValues(draft(scan, text))));
  return {
    texts: drafts.map((d) => d.text),
    kinds: drafts.map((d) => d.kind),
    spaced: drafts.map((d) => d.spaced),
    firsts: drafts.map((d) => d.first),
    lasts: drafts.map((d) => d.last),
  };
}

function draft(scan: Scan, text: string): Draft[] {
  const drafts: Draft[] = [];
  for (let i = 0; i < scan.length && i <= MAX_TOKENS; i++) {
    const kind = scan.kinds[i] as number;
    const start = scan.starts[i] as number;
    const end = scan.ends[i] as number;
    const constant =
      kind < NUM ? text.slice(start, kind === SEPARATOR ? Math.min(start + LONGEST_RUN, end) : end) : '';
    const sized = kind === ANY && text.charCodeAt(end - 1) === 66 && text.charCodeAt(start) < 58;
    drafts.push({ text: constant, kind, spaced: scan.spaced[i] === 1, first: i, last: i, sized });
  }
  return drafts;
}

/**
 * Values of several tokens become one: a text in quotes after `=`, an object with values alone after `=`
 * (`source=Work{10}`), a host with its port, states in brackets (`( on off )`). Nothing in brackets is a value where
 * others have something; a size that is said again in another unit (`2048 bytes (2 KB)`) is left out.
 */
function joinValues(drafts: readonly Draft[]): Draft[] {
  const out: Draft[] = [];
  for (let i = 0; i < drafts.length; i++) {
    const draft = drafts[i] as Draft;
    const before = out.at(-1);
    const assigned =
      before !== undefined && before.kind === SEPARATOR && before.text === '=' && !draft.spaced;
    if (assigned && (draft.text === '"' || draft.text === "'") && draft.kind === SEPARATOR) {
      const end = closing(drafts, i, draft.text);
      if (end > i + 1) {
        out.push(draft, joined(drafts, i + 1, end - 1), drafts[end] as Draft);
        i = end;
        continue;
      }
    }
    const opens = drafts[i + 1];
    if (assigned && draft.kind === WORD && opens !== undefined && opens.text === '{' && !opens.spaced) {
      const end = closing(drafts, i + 1, '}');
      if (end > i + 1 && drafts.slice(i + 2, end).every((inner) => inner.kind !== WORD)) {
        out.push({ ...joined(drafts, i, end), spaced: draft.spaced });
        i = end;
        continue;
      }
    }
    if (
      draft.kind === SEPARATOR &&
      !draft.spaced &&
      draft.text === ':' &&
      isHostAndPort(before, drafts[i + 1])
    ) {
      const host = out.pop() as Draft;
      out.push({ ...host, text: '', kind: ANY, last: i + 1 });
      i++;
      continue;
    }
    if (draft.kind === SEPARATOR && draft.text === '(') {
      if (repeatsSize(out, drafts, i)) {
        i += 2;
        continue;
      }
      const end = statesUntil(drafts, i);
      if (end > 0) {
        out.push(draft, joined(drafts, i + 1, end - 1), drafts[end] as Draft);
        i = end;
        continue;
      }
    }
    out.push(draft);
    if (draft.text === '(' && draft.kind === SEPARATOR && draft.spaced) {
      const next = drafts[i + 1];
      if (next !== undefined && next.kind === SEPARATOR && next.text === ')')
        out.push({ text: '', kind: ANY, spaced: false, first: -1, last: -1, sized: false });
    }
  }
  return out;
}

const SOURCE_FILE =
  /\.(?:c|cc|cpp|cxx|cs|erl|ex|go|h|hpp|java|js|kt|lua|m|mm|php|pl|py|rb|rs|scala|swift|ts|vue)$/;

function isHostAndPort(host: Draft | undefined, port: Draft | undefined): boolean {
  if (host === undefined || port === undefined || host.kind !== WORD || port.kind !== NUM || port.spaced)
    return false;
  return /^[A-Za-z][\w-]*(?:\.[\w-]+)+$/.test(host.text) && !SOURCE_FILE.test(host.text);
}

/** Whether at `i` a size in brackets follows a number and its unit. */
function repeatsSize(out: readonly Draft[], drafts: readonly Draft[], i: number): boolean {
  const size = drafts[i + 1];
  const close = drafts[i + 2];
  if (size === undefined || size.kind !== ANY || close?.text !== ')' || close.kind !== SEPARATOR)
    return false;
  return size.sized && out.at(-1)?.kind === WORD && out.at(-2)?.kind === NUM;
}

/** Where brackets close that hold two words for states or more and nothing else, or 0. */
function statesUntil(drafts: readonly Draft[], open: number): number {
  let end = open + 1;
  while (drafts[end]?.kind === WORD && isState((drafts[end] as Draft).text)) end++;
  return end > open + 2 && drafts[end]?.kind === SEPARATOR && drafts[end]?.text === ')' ? end : 0;
}

const MAX_JOINED = 40;

function closing(drafts: readonly Draft[], from: number, mark: string): number {
  for (let i = from + 1; i < drafts.length && i < from + MAX_JOINED; i++) {
    const draft = drafts[i] as Draft;
    if (draft.kind === SEPARATOR && draft.text === mark) return i;
  }
  return -1;
}

const joined = (drafts: readonly Draft[], from: number, to: number): Draft => ({
  text: '',
  kind: from === to && (drafts[from] as Draft).kind >= NUM ? (drafts[from] as Draft).kind : ANY,
  spaced: false,
  first: (drafts[from] as Draft).first,
  last: (drafts[to] as Draft).last,
  sized: false,
});

const isValue = (draft: Draft | undefined): boolean => draft !== undefined && draft.kind >= NUM;

/** `1 2 3` and `1, 2, 3` become one value. */
function collapseLists(drafts: readonly Draft[]): Draft[] {
  const out: Draft[] = [];
  for (let i = 0; i < drafts.length; i++) {
    const draft = drafts[i] as Draft;
    const last = out.at(-1);
    if (isValue(draft) && last !== undefined && isValue(last) && last.first >= 0) {
      extend(last, draft);
      continue;
    }
    const next = drafts[i + 1];
    if (
      draft.kind === SEPARATOR &&
      draft.text === ',' &&
      last !== undefined &&
      isValue(last) &&
      isValue(next)
    ) {
      extend(last, next as Draft);
      i++;
      continue;
    }
    out.push({ ...draft });
  }
  return out;
}

function extend(list: Draft, by: Draft): void {
  list.last = by.last;
  if (list.kind !== by.kind) list.kind = ANY;
}

/** A phrase with a value in it that follows itself, as in `(1) a=2 (2) a=3`, is kept once. */
function collapseRepeats(drafts: readonly Draft[]): Draft[] {
  let out = [...drafts];
  for (let period = 2; period <= MAX_PERIOD && period * 2 <= out.length; period++) {
    const kept: Draft[] = [];
    let i = 0;
    while (i < out.length) {
      const end = repeatsUntil(out, i, period);
      for (let k = i; k < i + (end > i ? period : 1); k++) kept.push(out[k] as Draft);
      i = end > i ? end : i + 1;
    }
    out = kept;
  }
  return out;
}

function hasValue(drafts: readonly Draft[], from: number, to: number): boolean {
  for (let i = from; i < to && i < drafts.length; i++) if (isValue(drafts[i])) return true;
  return false;
}

/** The end of what the phrase at `at` is repeated to, or `at`. */
function repeatsUntil(drafts: readonly Draft[], at: number, period: number): number {
  // First, so that the rest is linear: what repeats with a value is skipped as a whole.
  if (!hasValue(drafts, at, at + period)) return at;
  let end = at + period;
  let same = 0;
  while (end < drafts.length && alike(drafts[end - period] as Draft, drafts[end] as Draft)) {
    end++;
    same++;
  }
  const repeats = Math.floor(same / period);
  if (repeats === 0) return at;
  for (let i = at; i < at + period; i++) if (isValue(drafts[i])) return at + period * (repeats + 1);
  return at;
}

const alike = (a: Draft, b: Draft): boolean =>
  isValue(a) ? isValue(b) : a.text === b.text && a.kind === b.kind;
