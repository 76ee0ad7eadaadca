import { z } from 'zod';
import { labelsSchema } from './provisioning-token.ts';

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** `100MB`, `64KB`, `1GB` or a number of bytes → bytes. */
export const sizeSchema = z.union([z.number().int().positive(), z.string()]).transform((value, context) => {
  if (typeof value === 'number') return value;
  const match = /^(\d+)\s*(B|KB|MB|GB)?$/i.exec(value.trim());
  const bytes = match === null ? 0 : Number(match[1]) * (UNITS[(match[2] ?? 'B').toUpperCase()] ?? 1);
  if (bytes > 0) return bytes;
  context.addIssue({ code: 'custom', message: 'must be a size like 100MB, 64KB or a number of bytes' });
  return z.NEVER;
});

const port = z.number().int().min(0).max(65_535);
const seconds = (min: number, max: number) => z.number().min(min).max(max);
const flag = z.boolean();

const logLevel = z
  .string()
  .transform((level) => level.toUpperCase())
  .pipe(z.enum(['DEBUG', 'INFO', 'WARNING', 'ERROR']));

/** The parts of the agent that have a log level of their own; each line of the log names one in `module`. */
export const LOG_MODULES = [
  'agent',
  'channel',
  'commands',
  'config',
  'executor',
  'http',
  'identity',
  'mcp',
  'policy',
  'tools',
] as const;
export type LogModule = (typeof LOG_MODULES)[number];
const modules = Object.fromEntries(LOG_MODULES.map((name) => [name, logLevel.optional()])) as Record<
  LogModule,
  z.ZodOptional<typeof logLevel>
>;

/** `agent_config.yaml`. Unknown keys are errors; every default is here. Times are seconds. */
export const agentConfigSchema = z.strictObject({
  agent: z
    .strictObject({
      id: z
        .string()
        .optional()
        .describe('vm_id; the file security/vm_id is the truth, this is for the reader'),
      name: z.string().max(128).optional(),
      version: z.string().optional(),
      labels: labelsSchema.default({}),
    })
    .prefault({}),
  server: z
    .strictObject({
      host: z.string().min(1).default('0.0.0.0'),
      port: port.default(8080).describe('0: a free port, which `status` and the log name'),
      ssl: z
        .strictObject({
          enabled: flag.default(true),
          cert_file: z.string().optional(),
          key_file: z.string().optional(),
          plain_loopback: flag
            .default(true)
            .describe('/mcp and /metrics for this machine without TLS too, with the API key'),
        })
        .prefault({}),
    })
    .prefault({}),
  orchestrator: z
    .strictObject({
      url: z.url({ protocol: /^https$/ }).optional(),
      websocket_url: z.url({ protocol: /^wss$/ }).optional(),
      agent_id: z.string().optional(),
      proxy: z
        .strictObject({
          url: z
            .url({ protocol: /^https?$/, message: 'must look like http://HOST:PORT' })
            .optional()
            .describe('HTTP proxy that leads to the orchestrator by CONNECT; may hold user:password@'),
          no_proxy: z.string().optional().describe('as NO_PROXY: what is reached without it'),
        })
        .prefault({}),
      heartbeat_interval: seconds(1, 3600).default(30),
      command_poll_interval: seconds(1, 3600).default(5),
      websocket_retry_interval: seconds(1, 86_400).default(600),
    })
    .prefault({}),
  security: z
    .strictObject({
      enabled: flag.default(true),
      mtls: flag.default(true),
      api_key_required: flag.default(true),
      ca_cert_file: z.string().optional(),
    })
    .prefault({}),
  tools: z
    .strictObject({
      shell_executor: z
        .strictObject({
          enabled: flag.default(true),
          timeout: seconds(1, 604_800).default(300),
          run_as: z.string().min(1).optional(),
        })
        .prefault({}),
      file_manager: z
        .strictObject({ enabled: flag.default(true), max_file_size: sizeSchema.prefault('100MB') })
        .prefault({}),
      system_monitor: z
        .strictObject({ enabled: flag.default(true), interval: seconds(1, 86_400).default(60) })
        .prefault({}),
      log_analyzer: z
        .strictObject({
          enabled: flag.default(true),
          max_lines: z.number().int().min(1).max(10_000_000).default(10_000),
        })
        .prefault({}),
    })
    .prefault({}),
  logging: z
    .strictObject({
      level: logLevel.default('INFO'),
      modules: z.strictObject(modules).prefault({}).describe('levels of single parts, where they differ'),
      file: z.string().optional(),
      max_size: sizeSchema.prefault('100MB'),
      backup_count: z.number().int().min(0).max(100).default(5),
    })
    .prefault({}),
});
export type AgentConfig = z.infer<typeof agentConfigSchema>;

/** Prefix of the environment overrides: `VM_AGENT_<SECTION>__<KEY>`, e.g. `VM_AGENT_SERVER__SSL__ENABLED`. */
export const CONFIG_ENV_PREFIX = 'VM_AGENT_';
