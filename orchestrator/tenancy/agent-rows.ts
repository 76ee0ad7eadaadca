import { isoTime } from '../../base/clock.ts';
import { agentIdSchema, organizationIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import type { Quarantine } from '../../protocol/quarantine.ts';
import type { Agent } from '../../protocol/rest-fleet.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

export type AgentRow = Row<'agents'> & { certificate_expires_at: number | null };

const time = (ms: number | null): string | null => (ms === null ? null : isoTime(Number(ms)));

export const isOnline = (row: Pick<Row<'agents'>, 'connected_at' | 'disconnected_at'>): boolean =>
  row.connected_at !== null && (row.disconnected_at === null || row.disconnected_at < row.connected_at);

/** Why it is in quarantine, if it is. */
export const quarantineOf = (
  row: Pick<Row<'agents'>, 'state' | 'quarantine_reason' | 'quarantine_detail' | 'quarantined_at'>,
): Quarantine | null =>
  row.state !== 'quarantined'
    ? null
    : {
        // Put there before reasons were kept: by somebody.
        reason: row.quarantine_reason ?? 'operator',
        detail: row.quarantine_detail,
        since: isoTime(Number(row.quarantined_at ?? 0)),
      };

/** A row as the API shows it. */
export function shown(row: AgentRow): Agent {
  return {
    agent_id: agentIdSchema.parse(row.id),
    vm_id: vmIdSchema.parse(row.vm_id),
    organization_id: organizationIdSchema.parse(row.organization_id),
    hostname: row.hostname,
    state: row.state,
    quarantine: quarantineOf(row),
    online: isOnline(row),
    version: row.version,
    labels: JSON.parse(row.labels),
    reported_labels: JSON.parse(row.reported_labels),
    facts: row.facts === null ? null : JSON.parse(row.facts),
    load: row.load === null ? null : JSON.parse(row.load),
    tools: JSON.parse(row.tools),
    enrolled_at: isoTime(Number(row.enrolled_at)),
    connected_at: time(row.connected_at),
    last_heartbeat_at: time(row.last_heartbeat_at),
    certificate_expires_at: isoTime(Number(row.certificate_expires_at ?? row.enrolled_at)),
    address: row.address,
    transport: row.transport,
  };
}

export const selectAgents = (db: Queryable, organizationId: string) =>
  db
    .selectFrom('agents')
    .selectAll('agents')
    .select((eb) =>
      eb
        .selectFrom('certificates')
        .select((c) => c.fn.max('certificates.not_after').as('end'))
        .whereRef('certificates.organization_id', '=', 'agents.organization_id')
        .whereRef('certificates.agent_id', '=', 'agents.id')
        .as('certificate_expires_at'),
    )
    .where('agents.organization_id', '=', organizationId);
