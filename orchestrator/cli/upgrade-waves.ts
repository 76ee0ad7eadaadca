import { InvalidArgumentError } from 'commander';

/** How many machines have been upgraded at the end of a wave: a number of them, or a share of all. */
export type Wave = { count: number } | { percent: number };

/** `1,10%,100%`. */
export function wavesArgument(text: string): Wave[] {
  return text.split(',').map((word) => {
    const [, digits, percent] = /^\s*(\d{1,6})(%?)\s*$/.exec(word) ?? [];
    const value = Number(digits);
    if (digits === undefined || value < 1 || (percent === '%' && value > 100))
      throw new InvalidArgumentError(
        'Write numbers of machines or shares, joined by commas, such as 1,10%,100%.',
      );
    return percent === '%' ? { percent: value } : { count: value };
  });
}

/** Cuts the machines into waves, in their order; each has those that its mark adds. Empty waves are left out. */
export function planWaves<T>(machines: readonly T[], waves: readonly Wave[]): T[][] {
  const planned: T[][] = [];
  let done = 0;
  for (const wave of waves) {
    const mark = 'count' in wave ? wave.count : Math.ceil((machines.length * wave.percent) / 100);
    const end = Math.min(Math.max(mark, done), machines.length);
    if (end > done) planned.push(machines.slice(done, end));
    done = end;
  }
  return planned;
}
