import { z } from 'zod';
import { type SystemMetrics, systemMetricsSchema } from '../../protocol/system.ts';
import type { MetricsReader } from '../proc/metrics.ts';
import type { Tool } from './tool.ts';

const input = z.strictObject({});

/** How the machine is just now. */
export function systemMetricsTool(options: {
  reader: MetricsReader;
  enabled: boolean;
}): Tool<typeof input, typeof systemMetricsSchema> {
  return {
    name: 'get_system_metrics',
    group: 'system',
    title: 'Read the system’s metrics',
    description:
      'CPU per core, load, memory, swap, disks with inodes, disk and network rates, pressure (PSI), temperatures, uptime and logged-in users of this VM.',
    input,
    output: systemMetricsSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 15,
    run: async ({ signal }) => {
      const structured = await options.reader.read(signal);
      return { kind: 'value', structured, text: summary(structured) };
    },
  };
}

const percent = (share: number): string => `${Math.round(share * 100)}%`;
const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

function summary(m: SystemMetrics): string {
  const cpu = `CPU ${percent(m.cpu.used)} of ${m.cpu.cores} cores (iowait ${percent(m.cpu.iowait)}), load ${m.load.join(' ')}`;
  const memory = `memory ${percent(m.memory.used)} of ${gib(m.memory.total)}, swap free ${gib(m.swap.free)} of ${gib(m.swap.total)}`;
  const disks = m.disks.map(
    (disk) =>
      `${disk.mount} ${percent(disk.used)} of ${gib(disk.total)}, inodes ${percent(
        disk.inodes_total === 0 ? 0 : 1 - disk.inodes_free / disk.inodes_total,
      )}`,
  );
  const network = m.network.map(
    (n) => `${n.interface} rx ${Math.round(n.rx_bytes_s)} tx ${Math.round(n.tx_bytes_s)} B/s`,
  );
  const pressure = Object.entries(m.pressure ?? {}).map(([name, p]) => `${name} ${p.some_avg10}%`);
  return [
    `${m.hostname}, up ${Math.round(m.uptime_s / 3600)} h, ${m.users.length} users: ${cpu}; ${memory}`,
    `disks: ${disks.join('; ')}`,
    `network: ${network.join('; ')}`,
    ...(pressure.length === 0 ? [] : [`pressure (10 s): ${pressure.join(', ')}`]),
  ].join('\n');
}
