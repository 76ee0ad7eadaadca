import { type Clock, isoTime } from '../../base/clock.ts';
import { BACKDATE_S } from '../../protocol/certificate-profile.ts';
import { type CommandState, FINAL_STATES, type Reason } from '../../protocol/command.ts';
import { agentIdSchema, commandIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import { isLate } from '../../protocol/renewal.ts';
import type { Overview } from '../../protocol/rest-overview.ts';
import type { Permission } from '../../protocol/roles.ts';
import { endsSoon, type ShownCertificate } from '../ca/shown-certificates.ts';
import { jobHead } from '../jobs/read.ts';
import type { Queryable, Store } from '../store/store.ts';
import { isOnline, quarantineOf } from '../tenancy/agent-rows.ts';
import { machineLocks } from './machine-locks.ts';
import { pendingApprovals, uneasyRollouts } from './overview-waiting.ts';
import { restoreToDealWith } from './restores.ts';

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
const FAILED_WITHIN_MS = DAY_MS;
/** Cancelled by a person and skipped by a rule are no failures. */
const FAILED: readonly CommandState[] = FINAL_STATES.filter(
  (state) => !['succeeded', 'cancelled', 'skipped'].includes(state),
);
const MAX_OFFLINE = 50;
const MAX_HELD = 50;
const MAX_FAILED = 20;
const MAX_EXPIRING = 50;

/** A root is replaced by people, and with care. */
const ROOT_ENDS_MS = 365 * DAY_MS;

/** Machines carry a certificate; whoever made a token for a program wants to know sooner. */
const API_TOKEN_ENDS_MS = 14 * DAY_MS;

/** Whether the caller has a right in the organization. */
type May = (permission: Permission) => boolean;

/** What a person wants to know first. What he may not read is left out. */
export interface OverviewReader {
  read(organizationId: string, may: May): Promise<Overview>;
}

type Expiring = Overview['expiring'][number];

export function createOverview(options: {
  store: Pick<Store, 'db'>;
  clock: Clock;
  /** What this process shows to whoever connects. */
  shown(): readonly ShownCertificate[];
}): OverviewReader {
  const { store, clock } = options;
  return {
    async read(organizationId, may) {
      const now = clock.now();
      const { db } = store;
      return {
        ...(await machines(db, organizationId, now)),
        ...(may('jobs.read') ? await failures(db, organizationId, now) : NO_JOBS),
        rollouts: may('jobs.read') ? await uneasyRollouts(db, organizationId, now - DAY_MS) : [],
        approvals: may('approvals.read') ? await pendingApprovals(db, organizationId, now) : null,
        restore: may('jobs.read') ? await restoreToDealWith(db, organizationId) : null,
        expiring: await expiring(db, organizationId, now, may, options.shown()),
      };
    },
  };
}

const NO_JOBS: Pick<Overview, 'jobs' | 'failed'> = { jobs: { active: 0, failed_commands: 0 }, failed: [] };

async function machines(
  db: Queryable,
  organizationId: string,
  now: number,
): Promise<Pick<Overview, 'machines' | 'offline' | 'held'>> {
  const lockOf = await machineLocks(db, organizationId, now);
  const rows = await db
    .selectFrom('agents')
    .select([
      'id',
      'vm_id',
      'hostname',
      'state',
      'quarantine_reason',
      'quarantine_detail',
      'quarantined_at',
      'connected_at',
      'disconnected_at',
      'labels',
      'reported_labels',
    ])
    .where('organization_id', '=', organizationId)
    .where('state', '!=', 'revoked')
    .execute();
  const count = (test: (row: (typeof rows)[number]) => boolean) => rows.filter(test).length;
  const offline = rows.filter((row) => row.state === 'active' && !isOnline(row));
  const seen = (row: (typeof rows)[number]) => Number(row.disconnected_at ?? 0);
  offline.sort((a, b) => seen(b) - seen(a));
  const named = (row: (typeof rows)[number]) => ({
    agent_id: agentIdSchema.parse(row.id),
    vm_id: vmIdSchema.parse(row.vm_id),
    hostname: row.hostname,
  });
  const locks = rows.map((row) => ({ row, lock: lockOf(row) }));
  const held = locks.filter(({ row, lock }) => lock !== null || row.state !== 'active');
  return {
    machines: {
      total: rows.length,
      online: count(isOnline),
      offline: offline.length,
      quarantined: count(({ state }) => state === 'quarantined'),
      pending: count(({ state }) => state === 'pending'),
      locked: locks.filter(({ lock }) => lock !== null).length,
    },
    held: held.slice(0, MAX_HELD).map(({ row, lock }) => ({
      ...named(row),
      state: row.state,
      quarantine: quarantineOf(row),
      lock,
    })),
    offline: offline.slice(0, MAX_OFFLINE).map((row) => ({
      ...named(row),
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
    // An occurrence that machines carry is still to come.
    .where((eb) => eb.or([eb('due_at', 'is', null), eb('due_at', '<=', now)]))
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

const SHOWN = { own: 'what agents see', given: 'what browsers see (--tls-cert)' } as const;

async function expiring(
  db: Queryable,
  organizationId: string,
  now: number,
  may: May,
  shown: readonly ShownCertificate[],
): Promise<Expiring[]> {
  const late = shown.filter((one) => endsSoon(one, now));
  const items: Expiring[] = [
    ...late.map(({ kind, notAfterMs }) => ({
      kind: 'server_certificate' as const,
      id: kind,
      name: SHOWN[kind],
      at: isoTime(notAfterMs),
    })),
    ...(await certificatesThatEnd(db, organizationId, now)),
    ...(await authoritiesThatEnd(db, organizationId, now)),
    ...(may('provisioning.read') ? await provisioningTokensThatEnd(db, organizationId, now) : []),
    ...(may('api_tokens.read') ? await apiTokensThatEnd(db, organizationId, now) : []),
  ];
  return items.sort((a, b) => a.at.localeCompare(b.at)).slice(0, MAX_EXPIRING);
}

async function certificatesThatEnd(db: Queryable, organizationId: string, now: number): Promise<Expiring[]> {
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
  const late = certificates.filter(({ begin, end }) =>
    isLate({ notBeforeMs: Number(begin), notAfterMs: Number(end) }, now),
  );
  return late.map(({ id, vm_id, end }) => ({
    kind: 'certificate',
    id,
    name: vm_id,
    at: isoTime(Number(end)),
  }));
}

const AUTHORITIES = {
  root: 'root of all certificates',
  orchestrator: 'issues the orchestrator’s own',
  organization: 'issues those of the machines',
} as const;

/** Issuing certificates are replaced at half of their life, unless the root's key is away; a root never by itself. */
async function authoritiesThatEnd(db: Queryable, organizationId: string, now: number): Promise<Expiring[]> {
  const rows = await db
    .selectFrom('certificate_authorities')
    .select(['kind', (eb) => eb.fn.max('not_after').as('end'), (eb) => eb.fn.max('created_at').as('made')])
    .where((eb) =>
      eb.or([eb('kind', 'in', ['root', 'orchestrator']), eb('organization_id', '=', organizationId)]),
    )
    // Of the roots the one that signs: those that wait or are retired end later, or do not matter.
    .where('state', '=', 'active')
    .groupBy('kind')
    .execute();
  return rows
    .filter(({ kind, end, made }) => {
      const validity = { notBeforeMs: Number(made) - BACKDATE_S * 1000, notAfterMs: Number(end) };
      return kind === 'root' ? Number(end) - now < ROOT_ENDS_MS : isLate(validity, now);
    })
    .map(({ kind, end }) => ({
      kind: 'authority',
      id: kind,
      name: AUTHORITIES[kind],
      at: isoTime(Number(end)),
    }));
}

async function provisioningTokensThatEnd(
  db: Queryable,
  organizationId: string,
  now: number,
): Promise<Expiring[]> {
  const tokens = await db
    .selectFrom('provisioning_tokens')
    .select(['id', 'description', 'expires_at'])
    .where('organization_id', '=', organizationId)
    .where('revoked_at', 'is', null)
    .whereRef('used', '<', 'uses')
    .where('expires_at', '>', now)
    .where('expires_at', '<', now + HOUR_MS)
    .execute();
  return tokens.map(({ id, description, expires_at }) => ({
    kind: 'provisioning_token',
    id,
    name: description,
    at: isoTime(Number(expires_at)),
  }));
}

/** Those that ended lately as well: what used them fails now. */
async function apiTokensThatEnd(db: Queryable, organizationId: string, now: number): Promise<Expiring[]> {
  const tokens = await db
    .selectFrom('api_tokens')
    .select(['id', 'name', 'expires_at'])
    .where('organization_id', '=', organizationId)
    .where('expires_at', '>', now - DAY_MS)
    .where('expires_at', '<', now + API_TOKEN_ENDS_MS)
    .orderBy('expires_at')
    .limit(MAX_EXPIRING)
    .execute();
  return tokens.map(({ id, name, expires_at }) => ({
    kind: 'api_token',
    id,
    name,
    at: isoTime(Number(expires_at)),
  }));
}
