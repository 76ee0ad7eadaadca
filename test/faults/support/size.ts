import { FULL_SIZE } from '../../../scripts/lib/suites.ts';

export const isFull = process.env[FULL_SIZE] === '1';

/** How many: as many as a change should wait for, or as many as the promise speaks of (`npm test -- --full`). */
export const size = (sizes: { short: number; full: number }): number => (isFull ? sizes.full : sizes.short);

/** A share of the full size, for a machine or an evening that has no room for all of it. */
export const scale = Number(process.env['VM_AGENT_TEST_SCALE'] ?? 1);
