import { fuzzLogEngine } from './log-lines.ts';
import type { FuzzTarget } from './target.ts';
import { DOOR_TARGETS } from './targets/doors.ts';
import { TEXT_TARGETS } from './targets/text.ts';
import { WIRE_TARGETS } from './targets/wire.ts';

/** Lines are made from the input's bytes as a seed: the log engine has its own grammar of hostile lines. */
const logLines: FuzzTarget = {
  name: 'log-lines',
  seeds: ['1', '2'],
  // An engine is made, and a hundred lines read, for each.
  patienceMs: 10_000,
  share: 0.02,
  run(input) {
    let seed = 0;
    for (const byte of input) seed = (seed * 31 + byte) >>> 0;
    fuzzLogEngine({ lines: 100, seed, logs: 1, slowMs: Number.POSITIVE_INFINITY, now: () => 0 });
  },
};

/** Every parser that faces a peer. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...WIRE_TARGETS,
  ...DOOR_TARGETS,
  ...TEXT_TARGETS,
  logLines,
];
