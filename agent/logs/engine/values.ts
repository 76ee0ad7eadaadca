const KEPT = 16;
const EXAMPLES = 3;
const LONGEST = 200;
const CHECKED_EVERY = 256;

/** What one variable part held: the first values and the most frequent ones, in little memory. */
export interface ValueStats {
  examples: string[];
  values: string[];
  counts: number[];
  more: boolean;
  added: number;
  /** All differ: they are not worth looking at any longer. */
  unique: boolean;
}

export const createValueStats = (): ValueStats => ({
  examples: [],
  values: [],
  counts: [],
  more: false,
  added: 0,
  unique: false,
});

export function addValue(stats: ValueStats, text: string, start: number, end: number): void {
  if (stats.unique) return;
  addText(stats, text.slice(start, Math.min(end, start + LONGEST)), 1);
  if (++stats.added % CHECKED_EVERY === 0 && stats.more && Math.max(...stats.counts) <= 2)
    stats.unique = true;
}

export function addText(stats: ValueStats, value: string, count: number): void {
  const { values, counts, examples } = stats;
  const known = values.indexOf(value);
  if (known >= 0) {
    counts[known] = (counts[known] as number) + count;
    return;
  }
  // A copy: a slice would keep the whole line in memory.
  const own = values.length < KEPT || examples.length < EXAMPLES || count > 1 ? detached(value) : value;
  if (examples.length < EXAMPLES && !examples.includes(own)) examples.push(own);
  if (values.length < KEPT) {
    values.push(own);
    counts.push(count);
    return;
  }
  stats.more = true;
  let least = 0;
  for (let i = 1; i < KEPT; i++) if ((counts[i] as number) < (counts[least] as number)) least = i;
  // Once in a while a newcomer takes the place of the rarest, else one that comes late never shows.
  if ((counts[least] as number) > count) {
    counts[least] = (counts[least] as number) - count;
    return;
  }
  values[least] = detached(value);
  counts[least] = count;
}

export function mergeStats(into: ValueStats, from: ValueStats): void {
  from.values.forEach((value, i) => {
    addText(into, value, from.counts[i] as number);
  });
  for (const example of from.examples)
    if (into.examples.length < EXAMPLES && !into.examples.includes(example)) into.examples.push(example);
  into.more ||= from.more;
}

/** The same text in memory of its own. */
function detached(text: string): string {
  return text.length < 13 ? text : Buffer.from(text, 'utf16le').toString('utf16le');
}
