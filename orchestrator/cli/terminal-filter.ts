const ESC = 0x1b;
const BEL = 0x07;
/** Strings that begin with ESC and one of these: OSC (titles, links, the clipboard), DCS, SOS, PM, APC. */
const STRINGS = new Set([...']PX^_'].map((c) => c.charCodeAt(0)));
/** Ends of control sequences that a terminal answers: what it is, where its cursor is, its size. */
const QUESTIONS = new Set([...'cnt'].map((c) => c.charCodeAt(0)));
/** A string that does not end is none. */
const MAX_HELD = 4096;

/**
 * A function that takes the pieces of a recording and gives back what to show: whatever would act on the terminal that
 * it is played at, or make that one answer as if somebody typed, is left out, also where a piece's end cuts it in two.
 */
export function createTerminalFilter(): (piece: string) => string {
  let held = '';
  let string = false;

  /** Whether the held sequence is complete. */
  const complete = (code: number): boolean => {
    if (held.length === 2) {
      string = STRINGS.has(code);
      return !string && code !== 0x5b && !(code >= 0x20 && code <= 0x2f);
    }
    if (string) return code === BEL || (code === 0x5c && held.charCodeAt(held.length - 2) === ESC);
    return code >= 0x40 && code <= 0x7e;
  };

  return (piece) => {
    let result = '';
    for (const character of piece) {
      const code = character.codePointAt(0) ?? 0;
      if (held === '') {
        if (code === ESC) held = character;
        else result += character;
        continue;
      }
      held += character;
      if (!complete(code) && held.length <= MAX_HELD) continue;
      const isQuestion = held.startsWith('\u001b[') && QUESTIONS.has(code);
      if (!string && !isQuestion) result += held;
      held = '';
      string = false;
    }
    return result;
  };
}
