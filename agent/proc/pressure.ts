import { readText } from './read.ts';

/** Percent of the last 10 and 60 s, and seconds since boot, in which tasks waited for a resource. */
export interface Stall {
  avg10: number;
  avg60: number;
  totalSeconds: number;
}

/** `some`: at least one task waited; `full`: all of them. See Documentation/accounting/psi.rst of the kernel. */
export interface Pressure {
  some: Stall;
  full: Stall | undefined;
}

/** The text of a file in /proc/pressure; undefined when the kernel does not count it. */
export function parsePressure(text: string): Pressure | undefined {
  const stall = (kind: string): Stall | undefined => {
    const match = new RegExp(
      `^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=[\\d.]+ total=(\\d+)`,
      'm',
    ).exec(text);
    if (match === null) return undefined;
    return { avg10: Number(match[1]), avg60: Number(match[2]), totalSeconds: Number(match[3]) / 1e6 };
  };
  const some = stall('some');
  return some === undefined ? undefined : { some, full: stall('full') };
}

export const RESOURCES = ['cpu', 'memory', 'io'] as const;
export type Resource = (typeof RESOURCES)[number];

/** Of each resource that the kernel counts. */
export function readPressure(proc: string): Map<Resource, Pressure> {
  const found = new Map<Resource, Pressure>();
  for (const resource of RESOURCES) {
    const pressure = parsePressure(readText(`${proc}/pressure/${resource}`));
    if (pressure !== undefined) found.set(resource, pressure);
  }
  return found;
}
