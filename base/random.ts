import { randomBytes, randomInt } from 'node:crypto';
import { encodeUlid, type IdPrefix } from '../protocol/ids.ts';
import type { Clock } from './clock.ts';

/** Uniform in [0, 1). */
export type Random = () => number;
export const systemRandom: Random = () => randomInt(2 ** 47) / 2 ** 47;

/**
 * Delay before the next try after so many failures: uniform below a bound that doubles up to `capMs`
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */
export const fullJitter = (options: {
  failures: number;
  baseMs: number;
  capMs: number;
  random: Random;
}): number =>
  options.random() * Math.min(options.capMs, options.baseMs * 2 ** Math.min(options.failures, 16));

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** `length` characters of a–z 0–9 from the system's generator: 5.17 bits each. */
export function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 252 = 7 × 36: larger bytes would favour the first letters.
      if (byte < 252 && text.length < length) text += ALPHABET.charAt(byte % 36);
    }
  }
  return text;
}

export const randomHex = (digits: number): string =>
  randomBytes(Math.ceil(digits / 2))
    .toString('hex')
    .slice(0, digits);

/** A new identifier, `<prefix>-<ULID>`. The caller brands it by its schema. */
export const newId = (prefix: IdPrefix, clock: Clock): string =>
  `${prefix}-${encodeUlid(clock.now(), randomBytes(10))}`;
