import { isoTime } from '../../base/clock.ts';
import type { Facts, LoadSample } from '../../protocol/facts.ts';
import { agentIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import type { Machine } from '../../protocol/rest-overview.ts';
import type { Queryable } from '../store/store.ts';
import { isOnline, quarantineOf } from '../tenancy/agent-rows.ts';
import { machineLocks } from './machine-locks.ts';

/** Machines in one query: the server serves others between two. */
const BATCH = 500;

const selectMachines = (db: Queryable, organizationId: string) =>
  db
    .selectFrom('agents')
    .select([
      'id',
      'vm_id',
      'hostname',
      'state',
      'quarantine_reason',
      'quarantine_detail',
      'quarantined_at',
      'version',
      'facts',
      'labels',
      'reported_labels',
      'load',
      'enrolled_at',
      'connected_at',
      'disconnected_at',
      'last_heartbeat_at',
    ])
    .select((eb) =>
      eb
        .selectFrom('certificates')
        .select((c) => c.fn.max('certificates.not_after').as('end'))
        .whereRef('certificates.organization_id', '=', 'agents.organization_id')
        .whereRef('certificates.agent_id', '=', 'agents.id')
        .as('certificate_end'),
    )
    .where('agents.organization_id', '=', organizationId)
    .where('state', '!=', 'revoked')
    .orderBy('agents.id');

type MachineRow = Awaited<ReturnType<ReturnType<typeof selectMachines>['execute']>>[number];

export function shortLoad(load: string | null): Machine['load'] {
  if (load === null) return null;
  const { load1, memory_used, disk_used } = JSON.parse(load) as LoadSample;
  return { load1, memory_used, disk_used: disk_used ?? null };
}

const heartbeatOf = ({ last_heartbeat_at: at }: Pick<MachineRow, 'last_heartbeat_at'>): string | null =>
  at === null ? null : isoTime(Number(at));

function machine(row: MachineRow, lock: Machine['lock']): Machine {
  const facts = row.facts === null ? undefined : (JSON.parse(row.facts) as Facts);
  return {
    agent_id: agentIdSchema.parse(row.id),
    vm_id: vmIdSchema.parse(row.vm_id),
    hostname: row.hostname,
    state: row.state,
    quarantine: quarantineOf(row),
    online: isOnline(row),
    version: row.version,
    os: facts === undefined ? '' : facts.os_name || facts.os,
    arch: facts?.arch ?? '',
    cpus: facts?.cpus ?? 0,
    labels: JSON.parse(row.labels),
    reported_labels: JSON.parse(row.reported_labels),
    load: shortLoad(row.load),
    last_heartbeat_at: heartbeatOf(row),
    certificate_expires_at: isoTime(Number(row.certificate_end ?? row.enrolled_at)),
    lock,
  };
}

/** Every machine that is not revoked, in batches, in the order in which they enrolled. */
export async function* readMachines(
  db: Queryable,
  organizationId: string,
  now: number,
): AsyncGenerator<Machine[], void, void> {
  const lockOf = await machineLocks(db, organizationId, now);
  let after = '';
  for (;;) {
    const rows = await selectMachines(db, organizationId)
      .where('agents.id', '>', after)
      .limit(BATCH)
      .execute();
    if (rows.length > 0) yield rows.map((row) => machine(row, lockOf(row)));
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    after = last.id;
  }
}

/** Those of these machines that are still listed. At most a few hundred identifiers. */
export async function readSome(
  db: Queryable,
  organizationId: string,
  ids: readonly string[],
  now: number,
): Promise<Machine[]> {
  const lockOf = await machineLocks(db, organizationId, now);
  const rows = await selectMachines(db, organizationId).where('agents.id', 'in', ids).execute();
  return rows.map((row) => machine(row, lockOf(row)));
}

/** What the last heartbeat of each said. */
export async function readLoads(db: Queryable, organizationId: string, ids: readonly string[]) {
  const rows = await db
    .selectFrom('agents')
    .select(['id', 'load', 'last_heartbeat_at'])
    .where('organization_id', '=', organizationId)
    .where('id', 'in', ids)
    .execute();
  return rows.map((row) => ({
    agent_id: agentIdSchema.parse(row.id),
    load: shortLoad(row.load),
    last_heartbeat_at: heartbeatOf(row),
  }));
}
