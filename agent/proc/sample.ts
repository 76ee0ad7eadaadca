import type { Clock } from '../../base/clock.ts';
import { type KernelStat, parseStat } from './cpu.ts';
import { type DiskIo, parseDiskstats } from './disk-io.ts';
import { type FileSystem, FileSystems } from './filesystems.ts';
import { type Login, readLogins } from './logins.ts';
import { type Meminfo, parseMeminfo } from './memory.ts';
import { type NetworkCounters, parseNetDev } from './network.ts';
import { type Pressure, type Resource, readPressure } from './pressure.ts';
import { type Roots, readText, SYSTEM_ROOTS } from './read.ts';
import { readTemperatures, type Temperature } from './temperature.ts';

/** Counters since boot; what changes per second is the difference of two of these. */
export interface Counters {
  /** By the monotonic clock. */
  atMs: number;
  stat: KernelStat;
  disks: DiskIo[];
  networks: NetworkCounters[];
}

export interface Sample extends Counters {
  timeMs: number;
  uptimeS: number;
  load: [number, number, number];
  memory: Meminfo;
  fileSystems: FileSystem[];
  pressure: Map<Resource, Pressure>;
  temperatures: Temperature[];
  logins: Login[];
}

/** Reads /proc and /sys: about a millisecond for everything. */
export class Sampler {
  readonly #clock: Clock;
  readonly #roots: Roots;
  readonly #fileSystems: FileSystems;

  constructor(options: { clock: Clock; roots?: Roots }) {
    this.#clock = options.clock;
    this.#roots = options.roots ?? SYSTEM_ROOTS;
    this.#fileSystems = new FileSystems({ proc: this.#roots.proc, clock: options.clock });
  }

  counters(): Counters {
    const { proc } = this.#roots;
    return {
      atMs: this.#clock.monotonic(),
      stat: parseStat(readText(`${proc}/stat`)),
      disks: parseDiskstats(readText(`${proc}/diskstats`)),
      networks: parseNetDev(readText(`${proc}/net/dev`)),
    };
  }

  async sample(): Promise<Sample> {
    const { proc, sys } = this.#roots;
    const fileSystems = await this.#fileSystems.read();
    const [one = 0, five = 0, fifteen = 0] = readText(`${proc}/loadavg`).split(' ', 3).map(Number);
    return {
      ...this.counters(),
      timeMs: this.#clock.now(),
      uptimeS: Number.parseFloat(readText(`${proc}/uptime`)) || 0,
      load: [one, five, fifteen],
      memory: parseMeminfo(readText(`${proc}/meminfo`)),
      fileSystems,
      pressure: readPressure(proc),
      temperatures: readTemperatures(sys),
      logins: readLogins(this.#roots),
    };
  }
}

/** Undefined where the owner of the VM has switched its metrics off. */
export const samplerOf = (enabled: boolean, clock: Clock): Sampler | undefined =>
  enabled ? new Sampler({ clock }) : undefined;
