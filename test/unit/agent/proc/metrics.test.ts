import { describe, expect, it } from 'vitest';
import { MetricsReader } from '../../../../agent/proc/metrics.ts';
import { Sampler } from '../../../../agent/proc/sample.ts';
import { systemClock } from '../../../../base/clock.ts';
import { systemMetricsSchema } from '../../../../protocol/system.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createMachineFiles } from '../../../fakes/machine-files.ts';

const never = new AbortController().signal;

describe('the metrics of a machine', () => {
  it('are what the kernel’s files say, with rates from two looks', async () => {
    await using files = await createMachineFiles();
    const clock = createFakeClock();
    const sampler = new Sampler({ clock, roots: files.roots });
    const reader = new MetricsReader({ sampler, clock, hostname: 'web-1' });
    const first = reader.read(never);
    await clock.advance(250);
    expect(systemMetricsSchema.parse(await first).cpu.used).toBe(0);

    // Of two seconds of two cores one is spent: 50 user, 30 system, 10 iowait and the rest idle.
    await files.write(
      'proc/stat',
      `cpu  250 20 130 1700 70 10 10 10 0 0
cpu0 150 10 50 800 30 5 5 0 0 0
cpu1 100 10 80 900 40 5 5 10 0 0
btime 1700000000
`,
    );
    await files.write('proc/diskstats', '   8 0 sda 110 5 2100 300 70 5 3000 200 0 1400 500 0 0 0 0\n');
    await files.write('proc/net/dev', 'eth0:123458789 200 1 2 0 0 0 0 988654 150 3 4 0 0 0 0\n');
    await clock.advance(2000);
    const got = systemMetricsSchema.parse(await reader.read(never));
    expect(got).toMatchObject({
      hostname: 'web-1',
      uptime_s: 1000.5,
      window_s: 2,
      cpu: { cores: 2, used: 0.45, user: 0.25, system: 0.15, iowait: 0.05, steal: 0.05 },
      load: [0.5, 0.25, 0.1],
      memory: { total: 4_096_000_000, available: 3_072_000_000, used: 0.25 },
      swap: { total: 2_048_000_000, free: 1_536_000_000 },
      disk_io: [
        { device: 'sda', read_bytes_s: 25_600, write_bytes_s: 512_000, reads_s: 5, writes_s: 10, busy: 0.5 },
      ],
      network: [{ interface: 'eth0', rx_bytes_s: 1000, tx_bytes_s: 500, errors: 4, dropped: 6 }],
      pressure: {
        cpu: { some_avg10: 1.5 },
        memory: { full_avg60: 0.06 },
        io: { some_avg60: 5 },
      },
      temperatures: [
        { sensor: 'x86_pkg_temp', celsius: 47.5 },
        { sensor: 'coretemp Package id 0', celsius: 51 },
      ],
      users: [{ name: 'ana', terminal: 'pts/0', from: '192.0.2.7', since: '2023-11-14T22:21:40.000Z' }],
    });
    expect(got.cpu.per_core).toEqual([1, 0.2667]);
    expect(got.disks.map(({ mount, device, type }) => ({ mount, device, type }))).toEqual([
      { mount: '/', device: '/dev/vda', type: 'ext4' },
    ]);
  });

  it('stop when they are not wanted any more', async () => {
    await using files = await createMachineFiles();
    const clock = createFakeClock();
    const reader = new MetricsReader({
      sampler: new Sampler({ clock, roots: files.roots }),
      clock,
      hostname: 'x',
    });
    await expect(reader.read(AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  });

  it('of the machine that this runs on fit the schema and are possible', async () => {
    const reader = new MetricsReader({
      sampler: new Sampler({ clock: systemClock }),
      clock: systemClock,
      hostname: 'x',
    });
    const got = systemMetricsSchema.parse(await reader.read(never));
    expect(got.cpu.per_core).toHaveLength(got.cpu.cores);
    expect(got.cpu.cores).toBeGreaterThan(0);
    expect(got.memory.available).toBeLessThanOrEqual(got.memory.total);
    expect(got.disks.map(({ mount }) => mount)).toContain('/');
    expect(got.uptime_s).toBeGreaterThan(0);
  });
});
