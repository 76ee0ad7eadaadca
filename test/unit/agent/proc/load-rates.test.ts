import { describe, expect, it } from 'vitest';
import { parseStat } from '../../../../agent/proc/cpu.ts';
import { LoadRates, ratesBetween } from '../../../../agent/proc/load-rates.ts';
import { parseNetDev } from '../../../../agent/proc/network.ts';
import type { Counters } from '../../../../agent/proc/sample.ts';

const counters = (atMs: number, busy: number, idle: number, rx: number): Counters => ({
  atMs,
  stat: parseStat(`cpu ${busy} 0 0 ${idle} 0 0 0 0 0 0\n`),
  disks: [],
  networks: parseNetDev(
    `Inter-|\n face |\n lo: 999 0 0 0 0 0 0 0 999 0 0 0 0 0 0 0\neth0: ${rx} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`,
  ),
});

describe('rates between two heartbeats', () => {
  it('are means over the time between, without the loopback', () => {
    const rates = ratesBetween(counters(0, 100, 100, 1000), counters(10_000, 400, 200, 21_000));
    expect(rates).toMatchObject({ cpu_used: 0.75, net_rx_bytes_s: 2000, disk_read_bytes_s: 0 });
  });

  it('are never negative when an interface is gone', () => {
    expect(ratesBetween(counters(0, 1, 1, 5000), counters(1000, 2, 2, 0)).net_rx_bytes_s).toBe(0);
  });

  it('are nothing where the owner of the VM has switched metrics off', () => {
    const looks: (Counters | undefined)[] = [
      undefined,
      counters(1000, 1, 1, 0),
      counters(2000, 2, 2, 100),
      undefined,
    ];
    const rates = new LoadRates(() => looks.shift());
    expect(rates.next()).toEqual({});
    expect(rates.next()).toMatchObject({ net_rx_bytes_s: 100 });
    expect(rates.next()).toEqual({});
  });
});
