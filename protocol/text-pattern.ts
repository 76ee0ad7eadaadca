import { z } from 'zod';

/**
 * Patterns that people write for the text of commands: `*` stands for any characters, line ends and slashes too, `?` for
 * one; everything else for itself. Matched in time proportional to pattern × text and never by a regular
 * expression, so that no pattern can hold a program up.
 */
export function textMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      // The last star takes one character more.
      p = star + 1;
      t = ++resume;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

export const textPatternSchema = z
  .string()
  .min(1)
  .max(512)
  .describe('"*" stands for any characters, "?" for one');

/** A tool by its name, or by a pattern of names. */
export const toolPatternSchema = z
  .string()
  .regex(/^[a-z0-9_*?]{1,64}$/, 'must be the name of a tool; "*" and "?" stand for other characters');

/**
 * Every text that a command may do its work by: each string in its arguments at any depth (the command itself, what is
 * written to its stdin, its environment), and all of them as one JSON document.
 */
export function textsOf(args: Readonly<Record<string, unknown>>): string[] {
  const texts: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value === 'string') texts.push(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
  };
  visit(args);
  texts.push(JSON.stringify(args));
  return texts;
}
