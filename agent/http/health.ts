import { isoTime } from '../../base/clock.ts';
import type { AgentHealth, AgentInfo } from '../../protocol/agent-http.ts';
import type { Transport } from '../../protocol/rest-fleet.ts';
import { PROTOCOL_MIN, PROTOCOL_VERSION, SUBPROTOCOL } from '../../protocol/version.ts';
import type { Health } from '../health.ts';
import type { RenewalStatus } from '../identity/renewal.ts';
import type { ToolRegistry } from '../tools/registry.ts';

/** What `/health` and `/info` tell; read at each request. */
export interface AgentFacts {
  health: Health;
  registry: ToolRegistry;
  version: string;
  vmId: string | null;
  agentId: string | null;
  /** Of the connection that stands. */
  transport: Transport | null;
  orchestratorUrl: string | null;
  name: string | null;
  labels: Readonly<Record<string, string>>;
  features: readonly string[];
  hostname: string;
  startedAt: string;
  renewal(): RenewalStatus | undefined;
  runtime: AgentInfo['runtime'];
}

/** Names of the conditions that these answers are made of. */
export const CONDITION = {
  enrolled: 'enrolled',
  certificate: 'certificate',
  websocket: 'websocket',
  admission: 'admission',
  journal: 'journal',
  disk: 'disk',
  policy: 'policy',
  executor: 'executor',
  config: 'config',
} as const;

export function healthAnswer(facts: AgentFacts, timestamp: string): AgentHealth {
  const { health, registry } = facts;
  const enrolled = health.isOk(CONDITION.enrolled);
  const kept = health.conditions.find(({ name, ok }) => name === CONDITION.admission && !ok);
  return {
    status: health.status,
    vm_id: facts.vmId,
    version: facts.version,
    tenant_status: enrolled ? 'provisioned' : 'unprovisioned',
    security_status: !enrolled
      ? 'uninitialized'
      : health.isOk(CONDITION.certificate)
        ? 'fully_initialized'
        : 'partially_initialized',
    tools_enabled: [...new Set(registry.enabled.map((tool) => tool.group))],
    websocket_connected: health.isOk(CONDITION.websocket),
    orchestrator_url: facts.orchestratorUrl,
    agent_id: facts.agentId,
    ...(kept === undefined ? {} : { waiting_for: kept.detail }),
    timestamp,
  };
}

function certificateAnswer(status: RenewalStatus | undefined): AgentInfo['certificate'] {
  if (status === undefined) return null;
  return {
    expires_at: isoTime(status.validity.notAfterMs),
    renew_at: isoTime(status.nextTryMs),
    failure: status.failure ?? null,
  };
}

export function infoAnswer(facts: AgentFacts, port: number): AgentInfo {
  return {
    name: facts.name,
    vm_id: facts.vmId,
    agent_id: facts.agentId,
    version: facts.version,
    protocol: { subprotocol: SUBPROTOCOL, min: PROTOCOL_MIN, max: PROTOCOL_VERSION },
    features: [...facts.features],
    tools: facts.registry.enabled.map(({ name, description }) => ({ name, description })),
    runtime: facts.runtime,
    hostname: facts.hostname,
    labels: { ...facts.labels },
    started_at: facts.startedAt,
    port,
    certificate: certificateAnswer(facts.renewal()),
    conditions: facts.health.conditions,
    transport: facts.transport,
  };
}
