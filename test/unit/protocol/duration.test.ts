import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../../protocol/duration.ts';

describe('durations', () => {
  it.each([
    ['90', 90],
    ['90s', 90],
    ['15m', 900],
    ['24h', 86_400],
    ['7d', 604_800],
    ['250ms', 0.25],
    ['', undefined],
    ['5 parsecs', undefined],
    ['-3', undefined],
  ])('reads the duration %j as %j seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });
});
