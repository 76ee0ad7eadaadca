import { readFileSync } from 'node:fs';

const MIB = 1024 * 1024;

/** Resident memory of a process, in MiB. */
export function rssMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no VmRSS`);
  return Math.round((Number(kib) * 1024) / MIB);
}

/** Peak resident memory of a process since it began, in MiB. */
export function peakMib(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round((Number(kib) * 1024) / MIB);
}
