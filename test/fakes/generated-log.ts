/** Logs with known contents: the same seed gives the same lines. */

const LEVELS = ['INFO', 'DEBUG', 'WARN'] as const;

/** Uniform in [0, 1), from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface GeneratedEvent {
  ms: number;
  level: string;
  text: string;
  trace?: readonly string[];
}

export const stamp = (ms: number): string => new Date(ms).toISOString();

export const render = ({ ms, level, text, trace = [] }: GeneratedEvent): string =>
  [`${stamp(ms)} [worker-${ms % 4}] ${level} com.acme.Shop - ${text}`, ...trace, ''].join('\n');

/** Every `everyMs` one of some usual messages. */
export function usualEvents(options: {
  fromMs: number;
  count: number;
  everyMs: number;
  seed?: number;
}): GeneratedEvent[] {
  const random = seeded(options.seed ?? 1);
  const number = (max: number) => Math.floor(random() * max);
  return Array.from({ length: options.count }, (_, at) => {
    const ms = options.fromMs + at * options.everyMs;
    const kind = number(3);
    const text = [
      `order ${number(100_000)} paid by customer ${number(500)}`,
      `cache hit for key k${number(900)} after ${number(90)} ms`,
      `queue length is ${number(40)}, oldest job ${number(3000)}`,
    ][kind];
    return { ms, level: LEVELS[kind] ?? 'INFO', text: text ?? '' };
  });
}

export const TRACE = [
  'java.sql.SQLException: connection refused',
  '\tat com.acme.Db.open(Db.java:12)',
  '\tat com.acme.Main.run(Main.java:5)',
] as const;

/** `count` sentences that have little in common. */
export function sentences(count: number, seed = 3): string[] {
  const random = seeded(seed);
  const letter = () => String.fromCharCode(97 + Math.floor(random() * 26));
  const word = () => Array.from({ length: 4 + Math.floor(random() * 5) }, letter).join('');
  return Array.from(
    { length: count },
    () => `${word()} ${word()} the ${word()} of ${word()} and ${word()} ${word()}`,
  );
}
