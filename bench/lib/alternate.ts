/** One of several things that are measured side by side. */
export interface Contestant {
  name: string;
  /** Does it once and answers what it cost. Throws when it did not do what it should: a failure is no sample. */
  once(): Promise<number>;
  /** Takes part in every round (1) or, when it is slow, in every n-th only. */
  every?: number;
}

/** Samples of each contestant by name, in the order in which they were taken. */
export type Samples = ReadonlyMap<string, readonly number[]>;

/**
 * Runs all contestants round by round, so that what else the machine does falls on all of them alike. Each round begins with another
 * one, so that none always follows the same neighbour. `warmup` rounds come first, with everybody, and are thrown away.
 */
export async function alternate(options: {
  contestants: readonly Contestant[];
  rounds: number;
  warmup: number;
  onRound?: (done: number, rounds: number) => void;
}): Promise<Samples> {
  const { contestants, rounds, warmup } = options;
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = -warmup; round < rounds; round++) {
    const first = (round + warmup) % Math.max(contestants.length, 1);
    for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      if (round >= 0 && round % (contestant.every ?? 1) !== 0) continue;
      const cost = await contestant.once();
      if (round >= 0) samples.get(contestant.name)?.push(cost);
    }
    if (round >= 0) options.onRound?.(round + 1, rounds);
  }
  return samples;
}
