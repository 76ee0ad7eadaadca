import { readdirSync, readFileSync } from 'node:fs';
import { systemClock } from '../../../base/clock.ts';

/** Pids whose command line holds the text; give each test a text of its own. */
export function running(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 1 && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    });
}

export async function until(holds: () => boolean, withinMs: number): Promise<boolean> {
  const end = systemClock.monotonic() + withinMs;
  while (!holds()) {
    if (systemClock.monotonic() > end) return false;
    await systemClock.sleep(20);
  }
  return true;
}

let made = 0;
/** A command with a child in a session of its own, one that is deaf to SIGTERM, and a mark to find them by. */
export function stubbornCommand(): { text: string; mark: string; processes: number } {
  const time = `${4000 + process.pid}.${++made}`;
  const text = `setsid sleep ${time} & (trap "" TERM; sleep ${time}; sleep ${time}) & sleep ${time}`;
  return { text, mark: `sleep\0${time}`, processes: 3 };
}
