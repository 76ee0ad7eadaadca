/** What is done to each line before anything reads it: colours go, and so does what stands inside of a private key. */

const SGR =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /\u001b\[[\d;:]*m/g;
const BODY = /^[A-Za-z0-9+/=]+$|^(?:Proc-Type|DEK-Info): /;
/** Behind a header of another length; shorter words may be anything. */
const LONG_TAIL = /(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{40,}(?=["',\\\s]*$)/;
const BEGIN = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/;
const MASK = '[masked: private key]';
/** A key that is never ended hides no more than this. */
const MOST_LINES = 200;
const MOST_OTHERS = 3;

/** A line without the sequences that set colours. */
export const withoutColours = (line: string): string =>
  line.includes('\u001b[') ? line.replace(SGR, '') : line;

/** Knows from line to line whether it is in a key. */
export function createLineCleaner(): (line: string) => string {
  let left = 0;
  let others = 0;
  /** Where the key begins behind the header of its first line. */
  let column = 0;

  function insideKey(line: string): string {
    left--;
    if (line.includes('-----END ')) left = 0;
    const trimmed = line.trim();
    if (trimmed === '' || left <= 0) return line;
    if (BODY.test(trimmed)) return hide(line.slice(0, line.indexOf(trimmed)));
    if (column > 0 && BODY.test(line.slice(column).trim())) return hide(line.slice(0, column));
    const tail = LONG_TAIL.exec(line);
    if (tail !== null) return hide(line.slice(0, tail.index), line.slice(tail.index + tail[0].length));
    if (++others >= MOST_OTHERS) left = 0;
    return line;
  }

  function hide(before: string, after = ''): string {
    others = 0;
    return `${before}${MASK}${after}`;
  }

  return (text) => {
    const line = withoutColours(text);
    if (left > 0) return insideKey(line);
    const at = line.indexOf('-----BEGIN ');
    if (at >= 0 && BEGIN.test(line) && !line.includes('-----END ', at)) {
      left = MOST_LINES;
      others = 0;
      column = at;
    }
    return line;
  };
}
