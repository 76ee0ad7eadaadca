/** The least processor time of some tries (ms): what else runs, and the collector, only ever add to it. */
function leastMs(work: () => unknown, tries: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i++) {
    const began = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(began);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

const TRIES = 3;
/** Times below this tell nothing. */
const TOLD_MS = 4;
/** Of four times the text: 4 where work grows as the text does, 16 with its square. */
const FACTOR = 4;
export const MOST_GROWTH = 9;

/**
 * By how much the work grows when a text does by four: the least that was seen, since nothing but the work itself makes
 * each of several looks slow. Below `most` characters; 0 where none takes long enough to tell.
 */
export function growthOf(
  work: (text: string) => unknown,
  make: (length: number) => string,
  most: number,
): number {
  let least = Number.POSITIVE_INFINITY;
  for (let length = Math.min(1000, most / FACTOR); length * FACTOR <= most; length *= 2) {
    const [short, long] = [make(length), make(length * FACTOR)];
    if (leastMs(() => work(long), 1) < TOLD_MS * FACTOR) continue;
    for (let looks = 0; looks < 3 && least > MOST_GROWTH; looks++)
      least = Math.min(least, leastMs(() => work(long), TRIES) / leastMs(() => work(short), TRIES));
    return least;
  }
  return 0;
}
