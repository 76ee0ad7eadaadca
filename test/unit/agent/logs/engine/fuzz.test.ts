import { expect, it } from 'vitest';
import { fuzzLogEngine } from '../../../../fuzz/log-lines.ts';

it('[logs-1] any lines are read without a failure, and each is counted once', () => {
  const { lines } = fuzzLogEngine({
    lines: 4_000,
    seed: 1,
    logs: 4,
    slowMs: Number.POSITIVE_INFINITY,
    now: () => 0,
  });
  expect(lines).toBe(4_000);
});
