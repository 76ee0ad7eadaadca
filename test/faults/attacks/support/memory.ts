import { readFileSync, writeFileSync } from 'node:fs';

function memoryMib(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  )?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no ${field}`);
  return Math.round(Number(kib) / 1024);
}

/** Resident memory of a process, in MiB. */
export const rssMib = (pid: number): number => memoryMib(pid, 'VmRSS');

/** Its peak since `forgetPeak`, in MiB. */
export const peakMib = (pid: number): number => memoryMib(pid, 'VmHWM');

/** proc(5): 5 resets the peak to what is resident now. */
export const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');
