import { readdirSync, readFileSync } from 'node:fs';
import type { Fleet } from './fleet.ts';

/** Resident memory of a process (bytes). */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

export const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

const mib = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;

/** What the programs of a fleet hold now; of the agents the largest. */
export const memoryOf = ({ orchestrator, members }: Fleet) => ({
  orchestrator: mib(residentBytes(orchestrator.pid)),
  agent: mib(Math.max(...members.map(({ agent }) => residentBytes(agent.pid)))),
});
