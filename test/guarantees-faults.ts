import type { Guarantee } from './guarantee.ts';

/** What holds while something is broken on purpose: machines, links, disks, peers. */
export const FAULT_GUARANTEES: readonly Guarantee[] = [];
