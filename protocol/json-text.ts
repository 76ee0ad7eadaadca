/** Deeper than any document of ours, and far from where walking one by recursion ends a program. */
export const MAX_JSON_DEPTH = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether arrays and objects are nested deeper than that. Brackets inside of texts do not count. */
export function nestsDeeper(text: string, limit: number = MAX_JSON_DEPTH): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      for (i++; i < text.length; i++) {
        const inside = text.charCodeAt(i);
        if (inside === QUOTE) break;
        if (inside === BACKSLASH) i++;
      }
    } else if (c === 0x5b || c === 0x7b) {
      depth += 1;
      if (depth > limit) return true;
    } else if (c === 0x5d || c === 0x7d) depth -= 1;
  }
  return false;
}

/**
 * JSON of a peer. `JSON.parse` itself takes any depth, and what walks the value afterwards (`JSON.stringify` among it)
 * ends with a RangeError. @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  if (nestsDeeper(text)) throw new SyntaxError(`nested deeper than ${MAX_JSON_DEPTH}`);
  return JSON.parse(text);
}
