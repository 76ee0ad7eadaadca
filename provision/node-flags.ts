/**
 * What Node is started with, in the launchers of both programs (`bin/`, an installed version's `bin/vm-agent`, the
 * images). V8 sizes its heap by the memory of the whole machine: it would let dead objects grow to some hundred MiB
 * before it looks for them. Sizes in MiB; of a program under load for hours these halve the resident memory, and
 * nothing is measurably slower.
 */
export const NODE_FLAGS = {
  'vm-agent': ['--max-semi-space-size=4'],
  'vm-orchestrator': ['--max-semi-space-size=16', '--initial-old-space-size=64'],
} as const;
