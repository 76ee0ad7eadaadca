/** JSON that a parser, a schema or a store may stumble over. Each is text, since most cannot be made from a value. */
export const DEPTH = 100_000;
export const MIB = 1024 * 1024;

const nested = (open: string, close: string): string => open.repeat(DEPTH) + close.repeat(DEPTH);

/** Values to put somewhere inside of a document. */
export const HOSTILE_VALUES: readonly (readonly [string, string])[] = [
  ['arrays 10⁵ deep', nested('[', ']')],
  ['objects 10⁵ deep', `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`],
  ['10⁵ keys', `{${Array.from({ length: DEPTH }, (_, i) => `"k${i}":0`).join(',')}}`],
  ['a key __proto__', '{"__proto__":{"polluted":true}}'],
  ['a key constructor', '{"constructor":{"prototype":{"polluted":true}}}'],
  ['an escaped key __proto__', '{"__\\u0070roto__":{"polluted":true}}'],
  ['the same key twice', '{"a":1,"a":2}'],
  ['1e999', '1e999'],
  ['-1e999', '-1e999'],
  ['a number of 10⁵ digits', '9'.repeat(DEPTH)],
  ['-0', '-0'],
  ['2^53 + 1', '9007199254740993'],
  ['a lone surrogate', '"\\ud800"'],
  ['a key that is a lone surrogate', '{"\\udfff":1}'],
  ['NUL', '"\\u0000"'],
  ['line ends', '"a\\r\\nSet-Cookie: x=1\\u2028\\u0085"'],
  ['500,000 characters', `"${'x'.repeat(500_000)}"`],
];

/** What is no JSON, though some parsers take it. */
export const NO_JSON: readonly (readonly [string, string])[] = [
  ['NaN', 'NaN'],
  ['Infinity', 'Infinity'],
  ['arrays that never end', '['.repeat(DEPTH)],
  ['objects that never end', '{"a":'.repeat(DEPTH)],
  ['a comment', '{/**/}'],
  ['a text that never ends', `"${'a'.repeat(1000)}`],
  ['a comma too many', '{"a":1,}'],
  ['single quotes', "{'a':1}"],
  ['nothing', ''],
  ['NUL bytes', '\0\0\0'],
];

/** A document with the value in the place of `"@"`. */
export const planted = (template: unknown, value: string): string =>
  JSON.stringify(template).replace('"@"', () => value);
