import type { CpuTimes } from '../proc/cpu.ts';
import type { Sample } from '../proc/sample.ts';
import type { Exposition } from './exposition.ts';

const CPU_MODES: readonly (keyof CpuTimes)[] = [
  'idle',
  'iowait',
  'irq',
  'nice',
  'softirq',
  'steal',
  'system',
  'user',
];
const MEMORY = [
  'MemTotal',
  'MemFree',
  'MemAvailable',
  'Buffers',
  'Cached',
  'Active',
  'Inactive',
  'AnonPages',
  'Mapped',
  'Shmem',
  'Slab',
  'SReclaimable',
  'SUnreclaim',
  'KernelStack',
  'PageTables',
  'Dirty',
  'Writeback',
  'Committed_AS',
  'SwapCached',
  'SwapTotal',
  'SwapFree',
] as const;

/** The machine, under the names that node_exporter gives to the same things. */
export function addNodeMetrics(to: Exposition, sample: Sample): void {
  addKernel(to, sample);
  for (const name of MEMORY)
    to.add(
      `node_memory_${name}_bytes`,
      'gauge',
      `Memory information field ${name}_bytes.`,
      sample.memory.get(name),
    );
  for (const fs of sample.fileSystems) {
    const labels = { device: fs.device, fstype: fs.type, mountpoint: fs.mount };
    const add = (name: string, help: string, value: number) =>
      to.add(`node_filesystem_${name}`, 'gauge', help, value, labels);
    add('size_bytes', 'Filesystem size in bytes.', fs.total);
    add('free_bytes', 'Filesystem free space in bytes.', fs.free);
    add('avail_bytes', 'Filesystem space available to non-root users in bytes.', fs.available);
    add('files', 'Filesystem total file nodes.', fs.inodesTotal);
    add('files_free', 'Filesystem total free file nodes.', fs.inodesFree);
    add('readonly', 'Filesystem read-only status.', fs.readOnly ? 1 : 0);
  }
  addDevices(to, sample);
  addPressure(to, sample);
  for (const { zone, sensor, celsius } of sample.temperatures)
    if (zone !== undefined)
      to.add('node_thermal_zone_temp', 'gauge', 'Zone temperature in Celsius', celsius, {
        type: sensor,
        zone,
      });
}

function addKernel(to: Exposition, { stat, load, timeMs }: Sample): void {
  for (const [cpu, times] of stat.cores)
    for (const mode of CPU_MODES)
      to.add('node_cpu_seconds_total', 'counter', 'Seconds the CPUs spent in each mode.', times[mode], {
        cpu: String(cpu),
        mode,
      });
  to.add('node_load1', 'gauge', '1m load average.', load[0]);
  to.add('node_load5', 'gauge', '5m load average.', load[1]);
  to.add('node_load15', 'gauge', '15m load average.', load[2]);
  to.add('node_boot_time_seconds', 'gauge', 'Node boot time, in unixtime.', stat.bootTimeS);
  to.add('node_time_seconds', 'gauge', 'System time in seconds since epoch (1970).', timeMs / 1000);
  to.add('node_context_switches_total', 'counter', 'Total number of context switches.', stat.contextSwitches);
  to.add('node_forks_total', 'counter', 'Total number of forks.', stat.forks);
  to.add('node_intr_total', 'counter', 'Total number of interrupts serviced.', stat.interrupts);
  to.add('node_procs_running', 'gauge', 'Number of processes in runnable state.', stat.running);
  to.add(
    'node_procs_blocked',
    'gauge',
    'Number of processes blocked waiting for I/O to complete.',
    stat.blocked,
  );
}

function addDevices(to: Exposition, { disks, networks }: Sample): void {
  for (const disk of disks) {
    const add = (name: string, help: string, value: number) =>
      to.add(`node_disk_${name}_total`, 'counter', help, value, { device: disk.device });
    add('reads_completed', 'The total number of reads completed successfully.', disk.reads);
    add('read_bytes', 'The total number of bytes read successfully.', disk.readBytes);
    add('read_time_seconds', 'The total number of seconds spent by all reads.', disk.readSeconds);
    add('writes_completed', 'The total number of writes completed successfully.', disk.writes);
    add('written_bytes', 'The total number of bytes written successfully.', disk.writtenBytes);
    add('write_time_seconds', 'This is the total number of seconds spent by all writes.', disk.writeSeconds);
    add('io_time_seconds', 'Total seconds spent doing I/Os.', disk.busySeconds);
  }
  for (const network of networks) {
    const add = (field: string, value: number) =>
      to.add(`node_network_${field}_total`, 'counter', `Network device statistic ${field}.`, value, {
        device: network.name,
      });
    add('receive_bytes', network.rxBytes);
    add('receive_packets', network.rxPackets);
    add('receive_errs', network.rxErrors);
    add('receive_drop', network.rxDropped);
    add('transmit_bytes', network.txBytes);
    add('transmit_packets', network.txPackets);
    add('transmit_errs', network.txErrors);
    add('transmit_drop', network.txDropped);
  }
}

function addPressure(to: Exposition, { pressure }: Sample): void {
  for (const [resource, { some, full }] of pressure) {
    to.add(
      `node_pressure_${resource}_waiting_seconds_total`,
      'counter',
      `Total time in seconds that processes have waited for ${resource}`,
      some.totalSeconds,
    );
    // The processor's own `full` says nothing for a whole machine; node_exporter leaves it out too.
    if (resource !== 'cpu')
      to.add(
        `node_pressure_${resource}_stalled_seconds_total`,
        'counter',
        `Total time in seconds no process could make progress due to ${resource}`,
        full?.totalSeconds,
      );
  }
}
