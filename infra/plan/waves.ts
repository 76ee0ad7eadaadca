/** How many hosts have been done at the end of a wave: a number of them, or a share of all. */
export type Wave = { count: number } | { percent: number };

/** `1` or `10%`. @throws Error naming the word */
export function parseWave(text: string): Wave {
  const [, digits, percent] = /^(\d{1,6})(%?)$/.exec(text.trim()) ?? [];
  const value = Number(digits);
  if (digits === undefined || value < 1 || (percent === '%' && value > 100))
    throw new Error(
      `waves: "${text}" is none. Write numbers of hosts or shares, such as ['1', '10%', '100%'].`,
    );
  return percent === '%' ? { percent: value } : { count: value };
}

/** Cuts the hosts into waves, in their order; what the marks leave over is one more. Empty waves are left out. */
export function planWaves<T>(hosts: readonly T[], waves: readonly Wave[]): T[][] {
  const planned: T[][] = [];
  let done = 0;
  for (const wave of [...waves, { percent: 100 }]) {
    const mark = 'count' in wave ? wave.count : Math.ceil((hosts.length * wave.percent) / 100);
    const end = Math.min(Math.max(mark, done), hosts.length);
    if (end > done) planned.push(hosts.slice(done, end));
    done = end;
  }
  return planned;
}
