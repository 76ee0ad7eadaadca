import { z } from 'zod';

/** What is kept of each heartbeat; the names are those of `loadSampleSchema`. */
export const METRIC_NAMES = [
  'cpu_used',
  'load1',
  'memory_used',
  'swap_used',
  'disk_used',
  'disk_read_bytes_s',
  'disk_write_bytes_s',
  'net_rx_bytes_s',
  'net_tx_bytes_s',
  'agent_rss_bytes',
] as const;
export type MetricName = (typeof METRIC_NAMES)[number];

/**
 * How long values are kept, and how finely: each tier is made of the one before it. Seconds. `block` is how much
 * time one row of the store holds.
 */
export const METRIC_TIERS = [
  { step: 30, block: 300, keep: 6 * 3600 },
  { step: 300, block: 3600, keep: 26 * 3600 },
  { step: 3600, block: 86_400, keep: 7 * 86_400 },
] as const;
export type MetricStep = (typeof METRIC_TIERS)[number]['step'];
/** The oldest value that can be asked for (seconds). */
export const METRICS_KEPT_S = 7 * 86_400;

const seconds = z.coerce.number().int().nonnegative();
export const metricsQuerySchema = z.object({
  from: seconds.optional().describe('Seconds since the epoch; an hour before `to` when missing'),
  to: seconds.optional().describe('Seconds since the epoch; now when missing'),
  step: z.coerce
    .number()
    .pipe(z.union([z.literal(30), z.literal(300), z.literal(3600)]))
    .optional()
    .describe('Seconds between two values; the finest that reaches back to `from` when missing'),
});

const line = z.array(z.number().nullable());
export const metricsSchema = z.object({
  from: z.number().int(),
  to: z.number().int(),
  step: z.number().int(),
  times: z.array(z.number().int()).describe('Beginnings of the steps, seconds since the epoch'),
  series: z
    .record(z.enum(METRIC_NAMES), z.object({ mean: line, max: line }))
    .describe('A value for each time; null: none was reported'),
});
export type Metrics = z.infer<typeof metricsSchema>;
