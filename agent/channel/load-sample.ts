import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { type LoadSample, MAX_PROBLEM_LENGTH, MAX_PROBLEMS } from '../../protocol/facts.ts';
import type { Health } from '../health.ts';

const clamp = (share: number): number => Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

const meminfoField = (meminfo: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0);

/** Used fraction of memory from the text of /proc/meminfo; what the kernel could free counts as free. */
export function memoryUsed(meminfo: string): number {
  const total = meminfoField(meminfo, 'MemTotal');
  return total === 0 ? 0 : clamp(1 - meminfoField(meminfo, 'MemAvailable') / total);
}

export function swapUsed(meminfo: string): number | undefined {
  const total = meminfoField(meminfo, 'SwapTotal');
  return total === 0 ? undefined : clamp(1 - meminfoField(meminfo, 'SwapFree') / total);
}

/** Of the health, what is long enough for a heartbeat. */
function problemsOf(health: Health): NonNullable<LoadSample['problems']> {
  const failing = health.conditions.filter(({ ok }) => !ok).slice(0, MAX_PROBLEMS);
  return failing.map(({ name, detail }) => ({ name, detail: detail.slice(0, MAX_PROBLEM_LENGTH) }));
}

/** A sample for a heartbeat, read from /proc: well under a millisecond. `folder`: whose file system is told. */
export async function sampleLoad(folder: string, health: Health): Promise<LoadSample> {
  const disk = await statfs(folder).catch(() => undefined);
  const meminfo = read('/proc/meminfo');
  const swap = swapUsed(meminfo);
  const problems = problemsOf(health);
  return {
    uptime_s: Number.parseFloat(read('/proc/uptime')) || 0,
    load1: Number.parseFloat(read('/proc/loadavg')) || 0,
    memory_used: memoryUsed(meminfo),
    ...(swap === undefined ? {} : { swap_used: swap }),
    ...(disk === undefined ? {} : { disk_used: clamp(1 - disk.bavail / disk.blocks) }),
    agent_rss_bytes: process.memoryUsage.rss(),
    ...(problems.length === 0 ? {} : { problems }),
  };
}
