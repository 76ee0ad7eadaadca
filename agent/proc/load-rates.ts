import type { LoadSample } from '../../protocol/facts.ts';
import { cpuShares } from './cpu.ts';
import type { Counters } from './sample.ts';

type Rates = Pick<
  LoadSample,
  'cpu_used' | 'disk_read_bytes_s' | 'disk_write_bytes_s' | 'net_rx_bytes_s' | 'net_tx_bytes_s'
>;

const total = <T>(items: readonly T[], pick: (item: T) => number): number =>
  items.reduce((sum, item) => sum + pick(item), 0);
const outside = ({ networks }: Counters) => networks.filter(({ name }) => name !== 'lo');

/** What a machine does between two of these looks. Counters that went back (a device is gone) count as still. */
export function ratesBetween(before: Counters, after: Counters): Rates {
  const seconds = (after.atMs - before.atMs) / 1000;
  if (seconds <= 0) return {};
  const rate = (pick: (counters: Counters) => number) =>
    Math.max(0, Math.round((pick(after) - pick(before)) / seconds));
  return {
    cpu_used: cpuShares(before.stat.total, after.stat.total).used,
    disk_read_bytes_s: rate(({ disks }) => total(disks, (disk) => disk.readBytes)),
    disk_write_bytes_s: rate(({ disks }) => total(disks, (disk) => disk.writtenBytes)),
    net_rx_bytes_s: rate((counters) => total(outside(counters), (network) => network.rxBytes)),
    net_tx_bytes_s: rate((counters) => total(outside(counters), (network) => network.txBytes)),
  };
}

/** Rates for heartbeats: each tells of the time since the one before, the first of nothing. */
export class LoadRates {
  readonly #counters: () => Counters | undefined;
  #before: Counters | undefined;

  /** `counters` gives nothing while the owner of the VM has switched its metrics off. */
  constructor(counters: () => Counters | undefined) {
    this.#counters = counters;
    this.#before = counters();
  }

  next(): Rates {
    const before = this.#before;
    this.#before = this.#counters();
    return before === undefined || this.#before === undefined ? {} : ratesBetween(before, this.#before);
  }
}
