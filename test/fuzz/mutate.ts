import { randomNumbers } from '../unit/agent/logs/engine/read-log.ts';

export type Random = (below: number) => number;
export const seeded = (seed: number): Random => randomNumbers(seed);

/** What parsers stumble over, as text. */
const TOKENS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '\0',
  '\n',
  '\r\n',
  '\u2028',
  '\u202e',
  '\ud800',
  '\uffff',
  '😀',
  'é',
  '-1',
  '0',
  '-0',
  '1e999',
  '9007199254740993',
  '0x10',
  'NaN',
  'null',
  'true',
  '""',
  '[]',
  '{}',
  '../',
  '%00',
  '%2e',
  '%zz',
  ' ',
  '\t',
  '=',
  ',',
  ':',
  ';',
  '|',
  '*',
  '?',
  '"',
  "'",
  '\\',
  '/',
  '-',
  '_',
  '.',
  '&',
  '<',
  '>',
  '!',
  '@',
  '#',
  '$',
  '(',
  ')',
  '{',
  '}',
  '[',
  ']',
];
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  1e308,
  '',
  'a',
  '\0',
  '\ud800',
  '__proto__',
  'a'.repeat(300),
  [],
  {},
  [[]],
  [null],
  { a: 1 },
];
const RAW = [
  '1e999',
  '{"__proto__":{"polluted":1}}',
  '{"a":1,"a":2}',
  '[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]',
  '"\\ud800"',
  '-',
];
const BYTES = [0, 1, 2, 9, 10, 13, 31, 32, 34, 48, 92, 127, 128, 192, 237, 239, 254, 255];

const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)] as T;

/** One place in a JSON document gets another value; undefined where it is none. */
function otherJson(text: string, random: Random): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const places: { holder: Record<string, unknown>; key: string }[] = [];
  const visit = (holder: unknown) => {
    if (typeof holder !== 'object' || holder === null || places.length > 2000) return;
    for (const [key, item] of Object.entries(holder)) {
      places.push({ holder: holder as Record<string, unknown>, key });
      visit(item);
    }
  };
  const root = { root: value };
  visit(root);
  const { holder, key } = pick(random, places);
  const mark = '\u0001@\u0001';
  const before = holder[key];
  switch (random(6)) {
    case 0:
      if (!Array.isArray(holder)) delete holder[key];
      break;
    case 1:
      holder[key] = pick(random, places).holder;
      try {
        return JSON.stringify(root.root);
      } catch {
        holder[key] = before;
        return undefined;
      }
    case 2:
      if (typeof before === 'string') {
        const at = random(before.length + 1);
        holder[key] = `${before.slice(0, at)}${pick(random, TOKENS)}${before.slice(at + random(3))}`;
      } else holder[key] = pick(random, VALUES);
      break;
    case 3:
      if (typeof before === 'number') holder[key] = before + (random(5) - 2);
      else holder[key] = pick(random, VALUES);
      break;
    case 4:
      if (!Array.isArray(holder))
        holder[pick(random, ['x', 'constructor', 'toString', '', 'a'.repeat(100)])] = before;
      break;
    default:
      holder[key] = mark;
  }
  return JSON.stringify(root.root)?.replace(JSON.stringify(mark), () => pick(random, RAW));
}

/** A new input made of an old one, and sometimes of a piece of another. */
export function mutated(
  input: Buffer,
  other: Buffer,
  random: Random,
  dictionary: readonly string[] = [],
): Buffer {
  if (random(2) === 0) {
    const text = otherJson(input.toString('utf8'), random);
    if (text !== undefined) return Buffer.from(text);
  }
  let bytes = Buffer.from(input);
  for (let changes = random(3) + 1; changes > 0; changes--) {
    const at = random(bytes.length + 1);
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    const length = random(Math.min(tail.length, 32) + 1);
    const insert = (piece: Uint8Array, drop = 0) => Buffer.concat([head, piece, tail.subarray(drop)]);
    switch (random(8)) {
      case 0:
        if (tail.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        bytes = insert(Buffer.from([pick(random, BYTES)]), random(2));
        break;
      case 2:
        bytes = insert(Buffer.alloc(0), length);
        break;
      case 3:
        bytes = insert(tail.subarray(0, length));
        break;
      case 4:
        bytes = insert(Buffer.from(pick(random, TOKENS)), random(2) * length);
        break;
      case 5: {
        const from = random(other.length + 1);
        bytes = insert(other.subarray(from, from + random(64)), random(2) * length);
        break;
      }
      case 6:
        if (dictionary.length > 0) bytes = insert(Buffer.from(pick(random, dictionary)), random(2) * length);
        break;
      default:
        bytes = Buffer.from(head);
    }
  }
  return bytes.length > 256 * 1024 ? bytes.subarray(0, 256 * 1024) : bytes;
}
