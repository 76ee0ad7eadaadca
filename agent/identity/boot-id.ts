import { readFileSync } from 'node:fs';

/** The kernel's name for this boot (random(4)); another one after each reboot. `unknown` where there is none. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return 'unknown';
  }
}
