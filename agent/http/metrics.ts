import type { Clock } from '../../base/clock.ts';
import type { Health } from '../health.ts';
import type { Sampler } from '../proc/sample.ts';
import type { CallCounts } from '../tools/call-counts.ts';
import { Exposition } from './exposition.ts';
import { CONDITION } from './health.ts';
import { addNodeMetrics } from './node-metrics.ts';

export interface AgentMetricsOptions {
  clock: Clock;
  version: string;
  node: string;
  health: Health;
  counts: CallCounts;
  /** Undefined when the owner has switched off the monitoring of the system: then the agent tells of itself alone. */
  sampler: Sampler | undefined;
  /** Processor time in seconds and resident memory in bytes of this process. */
  own(): { cpuSeconds: number; residentBytes: number };
  /** Connections to the orchestrator since the start. */
  connections(): number;
  certificateEndMs(): number | undefined;
  /** Ended commands whose result the orchestrator has not acknowledged. */
  outbox(): number;
  /** Commands that run in the background. */
  background(): number;
}

/** The text of `GET /metrics`. */
export async function metricsText(options: AgentMetricsOptions): Promise<string> {
  const text = new Exposition();
  addAgentMetrics(text, options);
  if (options.sampler !== undefined) addNodeMetrics(text, await options.sampler.sample());
  return text.toString();
}

export function addAgentMetrics(to: Exposition, options: AgentMetricsOptions): void {
  const { version, node, health, counts } = options;
  const { cpuSeconds, residentBytes } = options.own();
  const connections = options.connections();
  const endMs = options.certificateEndMs();
  const gauge = (name: string, help: string, value: number | undefined, labels = {}) =>
    to.add(`vm_agent_${name}`, 'gauge', help, value, labels);
  const counter = (name: string, help: string, value: number, labels = {}) =>
    to.add(`vm_agent_${name}_total`, 'counter', help, value, labels);
  gauge('build_info', 'Version of this agent and of its runtime; always 1.', 1, { version, node });
  counter('cpu_seconds', 'Processor time that this agent has used, without its commands.', cpuSeconds);
  gauge('resident_memory_bytes', 'Resident memory of this agent.', residentBytes);
  gauge(
    'connected',
    'Whether there is a session with the orchestrator.',
    health.isOk(CONDITION.websocket) ? 1 : 0,
  );
  counter('reconnects', 'Sessions after the first one.', Math.max(0, connections - 1));
  for (const { name, ok } of health.conditions)
    gauge('condition', 'Whether a condition of the health holds.', ok ? 1 : 0, { condition: name });
  gauge(
    'certificate_not_after_seconds',
    'End of the agent’s certificate, in unixtime.',
    endMs === undefined ? undefined : endMs / 1000,
  );
  gauge('outbox_commands', 'Results that the orchestrator has not acknowledged.', options.outbox());
  gauge('background_commands', 'Commands that run in the background.', options.background());
  for (const { tool, door, result, count } of counts.all())
    counter('commands', 'Tool calls that have ended, by tool, door and result.', count, {
      tool,
      door,
      result,
    });
}
