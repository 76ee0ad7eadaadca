import { readFileSync } from 'node:fs';

/** What was measured, for who runs the suite: figures are no verdicts, since machines differ. */
export function report(name: string, figures: Readonly<Record<string, number>>): void {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${Math.round(value * 10) / 10}`);
  process.stdout.write(`figures: ${name}: ${text.join(', ')}\n`);
}

const field = (pid: number, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) /
  1024;

/** Resident memory of a process now. */
export const residentMiB = (pid: number): number => field(pid, 'VmRSS');
/** The most that it ever had. */
export const peakMiB = (pid: number): number => field(pid, 'VmHWM');
