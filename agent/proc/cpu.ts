/** Seconds since boot that a processor spent, by kind. Guests' time is part of user and nice. See proc_stat(5). */
export interface CpuTimes {
  user: number;
  nice: number;
  system: number;
  idle: number;
  iowait: number;
  irq: number;
  softirq: number;
  steal: number;
}

export interface KernelStat {
  total: CpuTimes;
  /** By the kernel's number; a core that is switched off leaves a gap. */
  cores: Map<number, CpuTimes>;
  bootTimeS: number;
  contextSwitches: number;
  forks: number;
  interrupts: number;
  running: number;
  blocked: number;
}

/** Ticks in a second, as the kernel shows them to programs on every architecture that Node runs on. */
export const TICKS = 100;

function times(fields: readonly string[]): CpuTimes {
  const at = (i: number): number => Number(fields[i] ?? 0) / TICKS;
  return {
    user: at(0),
    nice: at(1),
    system: at(2),
    idle: at(3),
    iowait: at(4),
    irq: at(5),
    softirq: at(6),
    steal: at(7),
  };
}

/** The text of /proc/stat. */
export function parseStat(text: string): KernelStat {
  const stat: KernelStat = {
    total: times([]),
    cores: new Map(),
    bootTimeS: 0,
    contextSwitches: 0,
    forks: 0,
    interrupts: 0,
    running: 0,
    blocked: 0,
  };
  for (const line of text.split('\n')) {
    const [name = '', ...fields] = line.split(/\s+/, 11);
    const value = Number(fields[0]);
    if (name === 'cpu') stat.total = times(fields);
    else if (name.startsWith('cpu')) stat.cores.set(Number(name.slice(3)), times(fields));
    else if (name === 'btime') stat.bootTimeS = value;
    else if (name === 'ctxt') stat.contextSwitches = value;
    else if (name === 'processes') stat.forks = value;
    else if (name === 'intr') stat.interrupts = value;
    else if (name === 'procs_running') stat.running = value;
    else if (name === 'procs_blocked') stat.blocked = value;
  }
  return stat;
}

export interface CpuShares {
  used: number;
  user: number;
  system: number;
  iowait: number;
  steal: number;
}

/** Shares of the time between two looks. Counters of the kernel may go back a little: never below 0. */
export function cpuShares(before: CpuTimes | undefined, after: CpuTimes): CpuShares {
  const spent = (...kinds: (keyof CpuTimes)[]): number =>
    kinds.reduce((sum, kind) => sum + Math.max(0, after[kind] - (before?.[kind] ?? 0)), 0);
  const idle = spent('idle', 'iowait');
  const busy = spent('user', 'nice', 'system', 'irq', 'softirq', 'steal');
  const part = (seconds: number): number => (idle + busy === 0 ? 0 : seconds / (idle + busy));
  return {
    used: part(busy),
    user: part(spent('user', 'nice')),
    system: part(spent('system', 'irq', 'softirq')),
    iowait: part(spent('iowait')),
    steal: part(spent('steal')),
  };
}
