/**
 * Which forms of messages are one pattern. Forms differ in words; a word is a value where many different ones stand
 * in the same place between the same words. How many are many depends on the place: after `=`, in quotes or in a
 * dotted name few are enough, at the start of a message hardly any number is.
 */
import type { Canonical } from './canonical.ts';
import { isState } from './states.ts';
import { NUM, SEPARATOR, SOFT, WORD } from './token-kinds.ts';

export interface Form extends Canonical {
  /** Never varies; messages with different ones are never one pattern. */
  suffix: string;
}

export interface FormGroup<F extends Form> {
  forms: F[];
  /** Columns whose words vary. */
  varies: Set<number>;
}

/** Different words in one place that make it a value. */
const PLAIN = 5;
const FIRST = 12;
const ASSIGNED = 5;
const NAMES = 2;
/** Words with digits; fewer are enough if they differ in these alone. */
const SOFT_WORDS = 3;
const NUMBERED = 2;

/** After these stands a name. */
const NAMED_AFTER = new Set(['user', 'username', 'host', 'hostname', 'account', 'group']);

const MAX_COLUMNS = 120;
const ROUNDS = 3;

/** Deterministic; groups keep the order of their first forms. */
export function mergeForms<F extends Form>(forms: readonly F[]): FormGroup<F>[] {
  let groups: FormGroup<F>[] = forms.map((form) => ({ forms: [form], varies: new Set<number>() }));
  groups = mergeExpected(groups);
  for (let round = 0; round < ROUNDS; round++) {
    const merged = mergeSingles(groups);
    if (merged.length === groups.length) break;
    groups = merged;
  }
  return groups;
}

const isOpen = <F extends Form>(group: FormGroup<F>, column: number): boolean =>
  group.varies.has(column) || (group.forms[0]?.kinds[column] as number) >= NUM;

/** The word at a column, '' for what varies. */
const wordAt = <F extends Form>(group: FormGroup<F>, column: number): string =>
  isOpen(group, column) ? '' : (group.forms[0]?.texts[column] as string);

export const formKey = (form: Form): string => keyOf({ forms: [form], varies: new Set() }, new Set());

/** What a group must share with another whose words at the columns `open` do not count. */
function keyOf<F extends Form>(group: FormGroup<F>, open: ReadonlySet<number>): string {
  const { texts, spaced, suffix } = group.forms[0] as F;
  let key = suffix;
  for (let i = 0; i < texts.length; i++)
    key += `${spaced[i] ? ' ' : '\u0001'}${open.has(i) || isOpen(group, i) ? '\u0002' : texts[i]}`;
  return key;
}

type Place = 'name' | 'assigned' | 'plain';

/** `a.b.c`, but not the name of an error or a constant in capitals: those say what happened. */
function isDotted(word: string): boolean {
  const first = word.indexOf('.');
  return first > 0 && word.indexOf('.', first + 1) > 0 && !/(?:Exception|Error|\.[A-Z][A-Z\d_]+)$/.test(word);
}

function placeOf(form: Form, column: number): Place {
  const text = form.texts[column] as string;
  if (isDotted(text)) return 'name';
  if (column === 0) return 'plain';
  const before = form.texts[column - 1] as string;
  if (form.kinds[column - 1] === SEPARATOR) {
    if (before === '=' && !form.spaced[column]) return 'assigned';
    if ((before === '"' || before === "'") && form.texts[column + 1] === before && column > 1)
      return 'assigned';
    return 'plain';
  }
  return form.spaced[column] && NAMED_AFTER.has(before) ? 'name' : 'plain';
}

/** Columns of a form where a value is expected by the way it is written. */
function expectedColumns(form: Form): Set<number> {
  const columns = new Set<number>();
  form.kinds.forEach((kind, column) => {
    if (kind >= NUM) columns.add(column);
    else if (
      kind !== SEPARATOR &&
      placeOf(form, column) !== 'plain' &&
      !isState(form.texts[column] as string)
    )
      columns.add(column);
  });
  return columns;
}

/** Joins groups that differ in such columns alone, in any number of them. */
function mergeExpected<F extends Form>(groups: readonly FormGroup<F>[]): FormGroup<F>[] {
  const buckets = new Map<string, FormGroup<F>[]>();
  for (const group of groups) push(buckets, keyOf(group, expectedColumns(group.forms[0] as F)), group);
  const out: FormGroup<F>[] = [];
  for (const bucket of buckets.values()) {
    const first = bucket[0] as FormGroup<F>;
    if (bucket.length === 1) {
      out.push(first);
      continue;
    }
    const varies = new Set<number>();
    for (let column = 0; column < (first.forms[0] as F).texts.length; column++) {
      const words = new Set(bucket.map((group) => wordAt(group, column)));
      if (words.size === 1) continue;
      const named = bucket.some((group) => placeOf(group.forms[0] as F, column) === 'name');
      if (words.has('') || words.size >= (named ? NAMES : ASSIGNED)) varies.add(column);
    }
    const parts = new Map<string, FormGroup<F>[]>();
    for (const group of bucket) push(parts, keyOf(group, varies), group);
    for (const part of parts.values())
      out.push(part.length === 1 ? (part[0] as FormGroup<F>) : union(part, varies));
  }
  return out;
}

function union<F extends Form>(groups: readonly FormGroup<F>[], varies: ReadonlySet<number>): FormGroup<F> {
  const all = new Set(varies);
  for (const group of groups) {
    for (const column of group.varies) all.add(column);
    group.forms[0]?.kinds.forEach((kind, column) => {
      if (kind >= NUM) all.add(column);
    });
  }
  return { forms: groups.flatMap((group) => group.forms), varies: all };
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}

/** Joins groups that differ in one column alone where their words are many. */
function mergeSingles<F extends Form>(groups: readonly FormGroup<F>[]): FormGroup<F>[] {
  const buckets = new Map<number, number[]>();
  groups.forEach((group, index) => {
    for (const key of keysWithoutOne(group)) push(buckets, key, index);
  });
  const candidates: { column: number; members: number[] }[] = [];
  for (const members of buckets.values()) {
    if (members.length < 2) continue;
    const column = differing(groups, members);
    if (column >= 0 && areMany(groups, members, column)) candidates.push({ column, members });
  }
  // Map keeps the order of the forms, so that equals are taken in it.
  candidates.sort((a, b) => b.members.length - a.members.length);
  const taken = new Map<number, FormGroup<F> | undefined>();
  for (const { column, members } of candidates) {
    const free = members.filter((member) => !taken.has(member));
    if (free.length < 2 || !areMany(groups, free, column)) continue;
    for (const member of free) taken.set(member, undefined);
    taken.set(
      free[0] as number,
      union(
        free.map((member) => groups[member] as FormGroup<F>),
        new Set([column]),
      ),
    );
  }
  return groups.flatMap((group, index) => {
    if (!taken.has(index)) return [group];
    const joined = taken.get(index);
    return joined === undefined ? [] : [joined];
  });
}

/** For each word or value of a group a hash of all the others with their places. */
function* keysWithoutOne<F extends Form>(group: FormGroup<F>): Generator<number> {
  const form = group.forms[0] as F;
  const length = Math.min(form.texts.length, MAX_COLUMNS);
  const parts: [number, number][] = [];
  let high = hashOf(form.suffix, 1);
  let low = form.texts.length;
  for (let i = 0; i < form.texts.length; i++) {
    const text = isOpen(group, i) ? '\u0002' : (form.texts[i] as string);
    const word = hashOf(text, form.spaced[i] ? 3 : 5);
    const part: [number, number] = [Math.imul(word ^ i, 0x9e3779b1), Math.imul(word + i * 7919, 0x85ebca6b)];
    parts.push(part);
    high = (high + part[0]) | 0;
    low = (low + part[1]) | 0;
  }
  for (let i = 0; i < length; i++) {
    if (form.kinds[i] === SEPARATOR) continue;
    const [h, l] = parts[i] as [number, number];
    const without = (high - h + Math.imul(i + 1, 0x2c1b3c6d)) | 0;
    yield (without >>> 0) * 0x200000 + (((low - l) >>> 0) & 0x1fffff);
  }
}

function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** The one column in which the members differ; -1 where hashes only happened to be equal. */
function differing<F extends Form>(groups: readonly FormGroup<F>[], members: readonly number[]): number {
  const first = groups[members[0] as number] as FormGroup<F>;
  const second = groups[members[1] as number] as FormGroup<F>;
  const length = (first.forms[0] as F).texts.length;
  for (let column = 0; column < length; column++) {
    if (wordAt(first, column) === wordAt(second, column)) continue;
    const open = new Set([column]);
    const key = keyOf(first, open);
    return members.every((member) => keyOf(groups[member] as FormGroup<F>, open) === key) ? column : -1;
  }
  return -1;
}

function areMany<F extends Form>(
  groups: readonly FormGroup<F>[],
  members: readonly number[],
  column: number,
): boolean {
  const first = groups[members[0] as number] as FormGroup<F>;
  const constant = first.forms[0]?.kinds.some(
    (kind, i) => i !== column && kind === WORD && !first.varies.has(i),
  );
  if (!constant) return false;
  const words = new Set<string>();
  const places = new Set<Place>();
  let soft = 0;
  for (const member of members) {
    const group = groups[member] as FormGroup<F>;
    const form = group.forms[0] as F;
    const word = wordAt(group, column);
    if (isState(word)) return false;
    words.add(word);
    if (form.kinds[column] === SOFT) soft++;
    places.add(placeOf(form, column));
  }
  if (words.has('')) return true;
  if (places.has('name')) return words.size >= NAMES;
  if (soft === members.length) {
    const stems = new Set([...words].map((word) => word.replaceAll(/\d/g, '')));
    return words.size >= (stems.size === 1 ? NUMBERED : SOFT_WORDS);
  }
  if (places.has('assigned')) return words.size >= ASSIGNED;
  return words.size >= (column === 0 ? FIRST : PLAIN);
}
