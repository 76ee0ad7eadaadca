/** Globs of users, matched in time proportional to pattern × path: no regular expression is made of them. */
import { AppError } from '../../protocol/errors.ts';

const MAX_ALTERNATIVES = 256;

/** Does the glob fit this path, relative to where the search began? */
export type GlobTest = (path: string) => boolean;

/**
 * `*` and `?` stay within a part, `**` spans parts, `[a-z]` and `[!a]` are one character, `{a,b}` are alternatives.
 * A glob without a slash fits a name at any depth. @throws AppError `bad_request`.
 */
export function compileGlob(glob: string): GlobTest {
  const alternatives = expandBraces(glob).map((one) =>
    (one.includes('/') ? one.replace(/^\.?\//, '') : `**/${one}`).split('/').map(compilePart),
  );
  return (path) => {
    const parts = path.split('/');
    return alternatives.some((pattern) => fits(pattern, parts));
  };
}

type Token = string | { any: true } | { one: true } | { set: readonly [string, string][]; not: boolean };
type Part = '**' | readonly Token[];

/** Two-pointer matching with one point to go back to: the last `**` (or `*` below). */
function fits(pattern: readonly Part[], parts: readonly string[]): boolean {
  return wild(
    pattern.length,
    parts.length,
    (p) => pattern[p] === '**',
    (p, t) => {
      const part = pattern[p];
      return part !== undefined && part !== '**' && partFits(part, parts[t] ?? '');
    },
  );
}

function partFits(tokens: readonly Token[], text: string): boolean {
  const characters = [...text];
  return wild(
    tokens.length,
    characters.length,
    (p) => isToken(tokens[p], 'any'),
    (p, t) => {
      const token = tokens[p];
      const character = characters[t] ?? '';
      if (typeof token === 'string') return token === character;
      if (token === undefined || 'any' in token) return false;
      if ('one' in token) return true;
      return token.set.some(([from, to]) => character >= from && character <= to) !== token.not;
    },
  );
}

const isToken = (token: Token | undefined, key: 'any'): boolean => typeof token === 'object' && key in token;

function wild(
  patternLength: number,
  textLength: number,
  isStar: (p: number) => boolean,
  matches: (p: number, t: number) => boolean,
): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let starText = 0;
  while (t < textLength) {
    if (p < patternLength && isStar(p)) {
      starAt = p++;
      starText = t;
    } else if (p < patternLength && matches(p, t)) {
      p++;
      t++;
    } else if (starAt >= 0) {
      p = starAt + 1;
      t = ++starText;
    } else return false;
  }
  while (p < patternLength && isStar(p)) p++;
  return p === patternLength;
}

function compilePart(part: string): Part {
  if (part === '**') return '**';
  const tokens: Token[] = [];
  const characters = [...part];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') {
      if (!isToken(tokens.at(-1), 'any')) tokens.push({ any: true });
    } else if (character === '?') tokens.push({ one: true });
    else if (character === '\\' && at + 1 < characters.length) tokens.push(characters[++at] ?? '');
    else if (character === '[') {
      const end = characters.indexOf(']', at + 2);
      if (end < 0) tokens.push('[');
      else {
        tokens.push(compileSet(characters.slice(at + 1, end)));
        at = end;
      }
    } else tokens.push(character);
  }
  return tokens;
}

function compileSet(inside: readonly string[]): Token {
  const not = inside[0] === '!' || inside[0] === '^';
  const members = not ? inside.slice(1) : inside;
  const set: [string, string][] = [];
  for (let at = 0; at < members.length; at++) {
    const from = members[at] ?? '';
    if (members[at + 1] === '-' && at + 2 < members.length) {
      set.push([from, members[at + 2] ?? '']);
      at += 2;
    } else set.push([from, from]);
  }
  return { set, not };
}

function expandBraces(glob: string): string[] {
  let open = [glob];
  for (;;) {
    const expanded = open.flatMap(expandFirst);
    if (expanded.length > MAX_ALTERNATIVES)
      throw new AppError('bad_request', {
        detail: `The glob has more than ${MAX_ALTERNATIVES} alternatives.`,
      });
    if (expanded.length === open.length) return expanded;
    open = expanded;
  }
}

/** The innermost braces that are complete. A single alternative stays as it is written. */
function expandFirst(glob: string): string[] {
  const match = /\{([^{},]*,[^{}]*)\}/.exec(glob);
  if (match === null) return [glob];
  const before = glob.slice(0, match.index);
  const after = glob.slice(match.index + match[0].length);
  return (match[1] ?? '').split(',').map((one) => `${before}${one}${after}`);
}
