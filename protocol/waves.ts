/** A number of machines, or a share of all of them such as `10%`. Plain functions: the page uses them too. */
export type Amount = number | `${number}%`;

export const AMOUNT_PATTERN = /^(?:\d{1,6}|(?:100|[1-9]?\d)%)$/;

/** Canary, then a tenth, then all. */
export const DEFAULT_WAVES: readonly Amount[] = [1, '10%', '100%'];
export const MAX_WAVES = 20;

/** `25`, `10%` → an amount; undefined when it is none. */
export function parseAmount(text: string): Amount | undefined {
  const word = text.trim();
  if (!AMOUNT_PATTERN.test(word)) return undefined;
  return word.endsWith('%') ? (word as Amount) : Number(word);
}

/** How many of `total` machines an amount means; shares are rounded as the caller says. */
export function amountOf(amount: Amount, total: number, round: (value: number) => number): number {
  if (typeof amount === 'number') return amount;
  return round((total * Number(amount.slice(0, -1))) / 100);
}

/**
 * Sizes of the waves of `total` machines. A mark says how many machines have had their turn at the end of its wave;
 * a wave that would be empty is left out.
 */
export function waveSizes(total: number, marks: readonly Amount[]): number[] {
  const sizes: number[] = [];
  let done = 0;
  for (const mark of marks) {
    const end = Math.min(Math.max(amountOf(mark, total, Math.ceil), done), total);
    if (end > done) sizes.push(end - done);
    done = end;
  }
  return sizes;
}

/** `1,10%,100%` → marks; undefined for what is none, grows not, or does not end with all. */
export function parseWaves(text: string): Amount[] | undefined {
  const marks = text.split(',').map(parseAmount);
  if (
    marks.length > MAX_WAVES ||
    marks.some((mark) => mark === undefined || amountOf(mark, 100, Math.ceil) < 1)
  )
    return undefined;
  return marks.at(-1) === '100%' ? (marks as Amount[]) : undefined;
}
