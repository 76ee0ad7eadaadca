import { z } from 'zod';

/** What an agent says about its machine when it registers and connects. Everything in it is the VM's own claim. */
export const factsSchema = z.object({
  hostname: z.string().max(255),
  os: z.string().max(64).describe('Kernel name, e.g. linux'),
  os_name: z.string().max(256).default('').describe('PRETTY_NAME of os-release'),
  os_id: z.string().max(64).default('').describe('ID of os-release, e.g. debian'),
  os_version: z.string().max(64).default(''),
  kernel: z.string().max(256).default(''),
  arch: z.string().max(32).describe('x64, arm64'),
  cpus: z.number().int().nonnegative().default(0),
  memory_bytes: z.number().nonnegative().default(0),
  boot_time: z.iso.datetime().optional(),
  addresses: z.array(z.string().max(64)).max(64).default([]),
  virtualization: z.string().max(64).optional(),
});
export type Facts = z.infer<typeof factsSchema>;

/** Of `problems` below. */
export const MAX_PROBLEMS = 16;
export const MAX_PROBLEM_LENGTH = 500;

/** A cheap sample that rides on each heartbeat. Bytes, seconds, fractions of 1. */
export const loadSampleSchema = z.object({
  uptime_s: z.number().nonnegative(),
  load1: z.number().nonnegative(),
  memory_used: z.number().min(0).max(1).describe('Used fraction of memory'),
  disk_used: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Used fraction of the file system that holds the state'),
  agent_rss_bytes: z.number().nonnegative(),
  // Older agents say none of these. Rates are means since the sample before.
  cpu_used: z.number().min(0).max(1).optional().describe('Busy share of all processors'),
  swap_used: z.number().min(0).max(1).optional(),
  disk_read_bytes_s: z.number().nonnegative().optional(),
  disk_write_bytes_s: z.number().nonnegative().optional(),
  net_rx_bytes_s: z.number().nonnegative().optional().describe('All interfaces but the loopback'),
  net_tx_bytes_s: z.number().nonnegative().optional(),
  problems: z
    .array(z.object({ name: z.string().max(64), detail: z.string().max(MAX_PROBLEM_LENGTH) }))
    .max(MAX_PROBLEMS)
    .optional()
    .describe('Conditions of the agent’s health that fail, with what is wrong; none: it is well'),
});
export type LoadSample = z.infer<typeof loadSampleSchema>;
