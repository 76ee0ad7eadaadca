import { readFileSync } from 'node:fs';
import { randomHex } from '../../base/random.ts';

/** The kernel's name for this boot (random(4)); another one after each reboot. `unknown` where there is none. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return 'unknown';
  }
}

const processId = randomHex(32);

/** Tells this start of the agent from every other one, on this machine and on its copies. */
export const liveIds = (): { boot_id: string; process_id: string } => ({
  boot_id: bootId(),
  process_id: processId,
});
