import { type Clock, isoTime } from '../../base/clock.ts';
import { type CommandState, FINAL_STATES, type Reason } from '../../protocol/command.ts';
import { agentIdSchema, commandIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import type { Overview } from '../../protocol/rest-overview.ts';
import { jobHead } from '../jobs/read.ts';
import type { Queryable, Store } from '../store/store.ts';
import { isOnline } from '../tenancy/agent-rows.ts';

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
const FAILED_WITHIN_MS = DAY_MS;
/** Cancelled by a person and skipped by a rule are no failures. */
const FAILED: readonly CommandState[] = FINAL_STATES.filter(
  (state) => !['succeeded', 'cancelled', 'skipped'].includes(state),
);
const MAX_OFFLINE = 50;
const MAX_FAILED = 20;
const MAX_EXPIRING = 50;
/** Agents renew at half of a certificate's life: one that has less than this left is late. */
const LATE_RENEWAL = 0.25;

/** What a person wants to know first. */
export interface OverviewReader {
  read(organizationId: string): Promise<Overview>;
}

type Expiring = Overview['expiring'][number];

export function createOverview(options: { store: Pick<Store, 'db'>; clock: Clock }): OverviewReader {
  const { store, clock } = options;
  return {
    async read(organizationId) {
      const now = clock.now();
      const { db } = store;
      return {
        ...(await machines(db, organizationId)),
        ...(await failures(db, organizationId, now)),
        expiring: await expiring(db, organizationId, now),
      };
    },
  };
}

async function machines(
  db: Queryable,
  organizationId: string,
): Promise<Pick<Overview, 'machines' | 'offline'>> {
  const rows = await db
    .selectFrom('agents')
    .select(['id', 'vm_id', 'hostname', 'state', 'connected_at', 'disconnected_at'])
    .where('organization_id', '=', organizationId)
    .where('state', '!=', 'revoked')
    .execute();
  const count = (test: (row: (typeof rows)[number]) => boolean) => rows.filter(test).length;
  const offline = rows.filter((row) => row.state === 'active' && !isOnline(row));
  const seen = (row: (typeof rows)[number]) => Number(row.disconnected_at ?? 0);
  offline.sort((a, b) => seen(b) - seen(a));
  return {
    machines: {
      total: rows.length,
      online: count(isOnline),
      offline: offline.length,
      quarantined: count(({ state }) => state === 'quarantined'),
      pending: count(({ state }) => state === 'pending'),
    },
    offline: offline.slice(0, MAX_OFFLINE).map((row) => ({
      agent_id: agentIdSchema.parse(row.id),
      vm_id: vmIdSchema.parse(row.vm_id),
      hostname: row.hostname,
      last_seen_at: row.disconnected_at === null ? null : isoTime(Number(row.disconnected_at)),
    })),
  };
}

async function failures(
  db: Queryable,
  organizationId: string,
  now: number,
): Promise<Pick<Overview, 'jobs' | 'failed'>> {
  const active = await db
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll().as('count'))
    .where('organization_id', '=', organizationId)
    .where('open_commands', '>', 0)
    .executeTakeFirstOrThrow();
  const groups = await db
    .selectFrom('commands as c')
    .select(['c.job_id', 'c.state', 'c.reason'])
    .select((eb) => [
      eb.fn.countAll().as('machines'),
      eb.fn.max('c.ended_at').as('ended_at'),
      eb.fn.min('c.id').as('command_id'),
    ])
    .where('c.organization_id', '=', organizationId)
    .where('c.ended_at', '>', now - FAILED_WITHIN_MS)
    .where('c.state', 'in', FAILED)
    .groupBy(['c.job_id', 'c.state', 'c.reason'])
    .orderBy('ended_at', 'desc')
    .execute();
  const shown = groups.slice(0, MAX_FAILED);
  const failed: Overview['failed'] = [];
  for (const group of shown) {
    const row = await db
      .selectFrom('commands as c')
      .innerJoin('jobs as j', (join) =>
        join.onRef('j.organization_id', '=', 'c.organization_id').onRef('j.id', '=', 'c.job_id'),
      )
      .selectAll('j')
      .select(['c.vm_id'])
      .where('c.organization_id', '=', organizationId)
      .where('c.id', '=', group.command_id)
      .executeTakeFirstOrThrow();
    failed.push({
      job: jobHead(row),
      state: group.state as CommandState,
      reason: group.reason as Reason | null,
      machines: Number(group.machines),
      command_id: commandIdSchema.parse(group.command_id),
      vm_id: vmIdSchema.parse(row.vm_id),
      ended_at: isoTime(Number(group.ended_at)),
    });
  }
  return {
    jobs: {
      active: Number(active.count),
      failed_commands: groups.reduce((sum, { machines }) => sum + Number(machines), 0),
    },
    failed,
  };
}

async function expiring(db: Queryable, organizationId: string, now: number): Promise<Expiring[]> {
  const certificates = await db
    .selectFrom('agents as a')
    .innerJoin('certificates as c', (join) =>
      join.onRef('c.organization_id', '=', 'a.organization_id').onRef('c.agent_id', '=', 'a.id'),
    )
    .select(['a.id', 'a.vm_id'])
    .select((eb) => [eb.fn.max('c.not_after').as('end'), eb.fn.max('c.not_before').as('begin')])
    .where('a.organization_id', '=', organizationId)
    .where('a.state', '!=', 'revoked')
    .where('c.revoked_at', 'is', null)
    .groupBy(['a.id', 'a.vm_id'])
    .execute();
  const late = certificates.filter(
    ({ begin, end }) => Number(end) - now < (Number(end) - Number(begin)) * LATE_RENEWAL,
  );
  const tokens = await db
    .selectFrom('provisioning_tokens')
    .select(['id', 'description', 'expires_at'])
    .where('organization_id', '=', organizationId)
    .where('revoked_at', 'is', null)
    .whereRef('used', '<', 'uses')
    .where('expires_at', '>', now)
    .where('expires_at', '<', now + HOUR_MS)
    .execute();
  const items: Expiring[] = [
    ...late.map(
      ({ id, vm_id, end }): Expiring => ({ kind: 'certificate', id, name: vm_id, at: isoTime(Number(end)) }),
    ),
    ...tokens.map(
      ({ id, description, expires_at }): Expiring => ({
        kind: 'provisioning_token',
        id,
        name: description,
        at: isoTime(Number(expires_at)),
      }),
    ),
  ];
  return items.sort((a, b) => a.at.localeCompare(b.at)).slice(0, MAX_EXPIRING);
}
