import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import type { SystemMetrics } from '../../protocol/system.ts';
import { cpuShares } from './cpu.ts';
import type { DiskIo } from './disk-io.ts';
import type { FileSystem } from './filesystems.ts';
import type { Login } from './logins.ts';
import type { NetworkCounters } from './network.ts';
import type { Pressure } from './pressure.ts';
import type { Counters, Sample, Sampler } from './sample.ts';

/** A window shorter than this says little about the processors, whose time is counted in hundredths of seconds. */
const SHORTEST_MS = 250;
/** An earlier look this old says nothing about now. */
const OLDEST_MS = 120_000;
/** Interfaces of containers come in hundreds. */
const MAX_INTERFACES = 64;

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
const share = (value: number): number => round(Math.min(1, Math.max(0, value || 0)), 4);

/** Turns samples into what people read: rates since the last look, or over a quarter of a second when there was none. */
export class MetricsReader {
  readonly #sampler: Sampler;
  readonly #clock: Clock;
  readonly #hostname: string;
  #last: Counters | undefined;

  constructor(options: { sampler: Sampler; clock: Clock; hostname: string }) {
    this.#sampler = options.sampler;
    this.#clock = options.clock;
    this.#hostname = options.hostname;
  }

  /** @throws the signal's reason when it is aborted meanwhile. */
  async read(signal: AbortSignal): Promise<SystemMetrics> {
    const before = await this.#before(signal);
    const after = await this.#sampler.sample();
    this.#last = after;
    return systemMetrics(before, after, this.#hostname);
  }

  async #before(signal: AbortSignal): Promise<Counters> {
    const now = this.#clock.monotonic();
    const last = this.#last;
    if (last !== undefined && now - last.atMs >= SHORTEST_MS && now - last.atMs <= OLDEST_MS) return last;
    const first = this.#sampler.counters();
    await this.#clock.sleep(SHORTEST_MS, signal);
    return first;
  }
}

/** What happened between two looks, and what is so at the second. */
export function systemMetrics(before: Counters, after: Sample, hostname: string): SystemMetrics {
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const memory = (name: string): number => after.memory.get(name) ?? 0;
  const cores = [...after.stat.cores];
  const cpu = cpuShares(before.stat.total, after.stat.total);
  const total = memory('MemTotal');
  return {
    hostname,
    time: isoTime(after.timeMs),
    uptime_s: after.uptimeS,
    window_s: round(seconds, 3),
    cpu: {
      cores: cores.length,
      used: share(cpu.used),
      user: share(cpu.user),
      system: share(cpu.system),
      iowait: share(cpu.iowait),
      steal: share(cpu.steal),
      per_core: cores.map(([number, times]) => share(cpuShares(before.stat.cores.get(number), times).used)),
    },
    load: after.load,
    memory: {
      total,
      available: memory('MemAvailable'),
      used: share(1 - memory('MemAvailable') / total),
      cached: memory('Cached') + memory('SReclaimable') + memory('Buffers'),
    },
    swap: { total: memory('SwapTotal'), free: memory('SwapFree') },
    disks: after.fileSystems.map(disk),
    disk_io: diskRates(before.disks, after.disks, seconds),
    network: networkRates(before.networks, after.networks, seconds),
    ...(after.pressure.size === 0
      ? {}
      : { pressure: Object.fromEntries([...after.pressure].map(([name, p]) => [name, pressure(p)])) }),
    temperatures: after.temperatures.map(({ sensor, celsius }) => ({ sensor, celsius: round(celsius, 1) })),
    users: after.logins.map(user),
  };
}

const disk = (fs: FileSystem): SystemMetrics['disks'][number] => ({
  mount: fs.mount,
  device: fs.device,
  type: fs.type,
  total: fs.total,
  available: fs.available,
  // As df(1) has it: of what users other than root may have.
  used: share((fs.total - fs.free) / (fs.total - fs.free + fs.available)),
  inodes_total: fs.inodesTotal,
  inodes_free: fs.inodesFree,
  read_only: fs.readOnly,
});

function diskRates(before: DiskIo[], after: DiskIo[], seconds: number): SystemMetrics['disk_io'] {
  const earlier = new Map(before.map((entry) => [entry.device, entry]));
  return after.map((now) => {
    const was = earlier.get(now.device);
    const rate = (key: Exclude<keyof DiskIo, 'device'>): number =>
      was === undefined ? 0 : Math.max(0, now[key] - was[key]) / seconds;
    return {
      device: now.device,
      read_bytes_s: Math.round(rate('readBytes')),
      write_bytes_s: Math.round(rate('writtenBytes')),
      reads_s: round(rate('reads'), 1),
      writes_s: round(rate('writes'), 1),
      busy: share(rate('busySeconds')),
    };
  });
}

function networkRates(
  before: NetworkCounters[],
  after: NetworkCounters[],
  seconds: number,
): SystemMetrics['network'] {
  const earlier = new Map(before.map((entry) => [entry.name, entry]));
  // One that never carried anything tells nothing.
  const used = after.filter((entry) => entry.rxBytes + entry.txBytes > 0);
  return used.slice(0, MAX_INTERFACES).map((now) => {
    const was = earlier.get(now.name);
    const rate = (key: 'rxBytes' | 'txBytes'): number =>
      was === undefined ? 0 : Math.round(Math.max(0, now[key] - was[key]) / seconds);
    return {
      interface: now.name,
      rx_bytes_s: rate('rxBytes'),
      tx_bytes_s: rate('txBytes'),
      rx_bytes: now.rxBytes,
      tx_bytes: now.txBytes,
      errors: now.rxErrors + now.txErrors,
      dropped: now.rxDropped + now.txDropped,
    };
  });
}

const pressure = ({ some, full }: Pressure) => ({
  some_avg10: some.avg10,
  some_avg60: some.avg60,
  ...(full === undefined ? {} : { full_avg10: full.avg10, full_avg60: full.avg60 }),
});

const user = (login: Login): SystemMetrics['users'][number] => ({
  name: login.name,
  ...(login.terminal === undefined ? {} : { terminal: login.terminal }),
  ...(login.from === undefined ? {} : { from: login.from }),
  ...(login.sinceMs === undefined ? {} : { since: isoTime(login.sinceMs) }),
});
