import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Memory of one process in bytes, from /proc/PID/smaps_rollup (proc(5)). */
export interface Memory {
  rss: number;
  /** Shared pages count by their share, so it is smaller while another process runs the same Node. */
  pss: number;
  anonymous: number;
}

function field(text: string, name: string): number {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
  if (kib === undefined) throw new Error(`/proc has no field ${name}; is this Linux 4.14 or newer?`);
  return Number(kib) * 1024;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return { rss: field(text, 'Rss'), pss: field(text, 'Pss'), anonymous: field(text, 'Anonymous') };
}

/**
 * CPU time of a process so far in ms: nanoseconds of each living thread from schedstat, since the ticks of /proc/PID/stat
 * (10 ms) are coarser than what an idle process uses in a minute. Threads that ended in between are lost.
 */
export function cpuMsOf(pid: number): number {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`))
    ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  return ns / 1e6;
}

/** Lowers the kernel's record of the largest RSS to what it is now. */
export const resetPeakRss = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

export const peakRssOf = (pid: number): number => field(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmHWM');
