import { z } from 'zod';

const bytes = z.number();
const share = z.number().describe('0 to 1');

const pressureSchema = z.object({
  some_avg10: z.number(),
  some_avg60: z.number(),
  full_avg10: z.number().optional(),
  full_avg60: z.number().optional(),
});

/** What `get_system_metrics` answers. Bytes, seconds, shares of 1; rates are means over `window_s`. */
export const systemMetricsSchema = z.object({
  hostname: z.string(),
  time: z.string(),
  uptime_s: z.number(),
  window_s: z.number().describe('Rates and CPU are means over it'),
  cpu: z.object({
    cores: z.number(),
    used: share,
    user: share,
    system: share,
    iowait: share,
    steal: share,
    per_core: z.array(z.number()).describe('Used, 0 to 1'),
  }),
  load: z.array(z.number()).describe('1, 5, 15 minutes'),
  memory: z.object({ total: bytes, available: bytes, used: share, cached: bytes }),
  swap: z.object({ total: bytes, free: bytes }),
  disks: z.array(
    z.object({
      mount: z.string(),
      device: z.string(),
      type: z.string(),
      total: bytes,
      available: bytes,
      used: share,
      inodes_total: z.number(),
      inodes_free: z.number(),
      read_only: z.boolean(),
    }),
  ),
  disk_io: z.array(
    z.object({
      device: z.string(),
      read_bytes_s: bytes,
      write_bytes_s: bytes,
      reads_s: z.number(),
      writes_s: z.number(),
      busy: share,
    }),
  ),
  network: z.array(
    z.object({
      interface: z.string(),
      rx_bytes_s: bytes,
      tx_bytes_s: bytes,
      rx_bytes: bytes,
      tx_bytes: bytes,
      errors: z.number().describe('Since boot, both ways'),
      dropped: z.number(),
    }),
  ),
  pressure: z
    .record(z.string(), pressureSchema)
    .optional()
    .describe('cpu, memory, io: percent of time that tasks waited'),
  temperatures: z.array(z.object({ sensor: z.string(), celsius: z.number() })),
  users: z.array(
    z.object({
      name: z.string(),
      terminal: z.string().optional(),
      from: z.string().optional(),
      since: z.string().optional(),
    }),
  ),
});
export type SystemMetrics = z.infer<typeof systemMetricsSchema>;

const PROCESS_ORDERS = ['cpu', 'memory', 'pid', 'start'] as const;

/** Arguments of `get_process_list`. */
export const processListArgumentsSchema = z.strictObject({
  sort: z.enum(PROCESS_ORDERS).default('cpu').describe('Largest (for start: newest) first'),
  top: z.number().int().min(1).max(1000).default(30),
  filter: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Part of the command line, user or unit; case does not matter'),
});
export type ProcessListArguments = z.infer<typeof processListArgumentsSchema>;

export const processEntrySchema = z.object({
  pid: z.number(),
  ppid: z.number(),
  user: z.string(),
  state: z.string().describe('R running, S sleeping, D waiting for a disk, Z zombie, T stopped, I idle'),
  cpu: z.number().describe('Percent of one core'),
  rss: z.number().describe('Bytes'),
  threads: z.number(),
  started: z.string(),
  command: z.string(),
  unit: z.string().optional().describe('systemd unit, else the control group'),
});
export type ProcessEntry = z.infer<typeof processEntrySchema>;

/** What `get_process_list` answers. */
export const processListSchema = z.object({
  total: z.number(),
  matched: z.number(),
  window_s: z.number().describe('CPU is a mean over it'),
  processes: z.array(processEntrySchema),
});
export type ProcessList = z.infer<typeof processListSchema>;
