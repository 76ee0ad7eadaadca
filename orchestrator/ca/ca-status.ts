import { type Clock, isoTime } from '../../base/clock.ts';
import { agentIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import type { CaStatus } from '../../protocol/rest-ca.ts';
import type { Queryable, Store } from '../store/store.ts';
import { type Roots, readRoots } from './roots.ts';
import { endsSoon, type ShownCertificate } from './shown-certificates.ts';

const DAY_MS = 86_400_000;
const MAX_SHOWN = 1000;

interface HeldBy {
  agentId: string;
  vmId: string;
  organization: string;
  trustVersion: number | null;
  /** Identifier of the issuing certificate of its newest certificate. */
  issuingId: string | undefined;
  rootId: string | undefined;
}

/** The issuing certificates that there are, each with the root that signed it. */
const issuingOf = (db: Queryable) =>
  db
    .selectFrom('certificate_authorities')
    .leftJoin('organizations', 'organizations.id', 'certificate_authorities.organization_id')
    .select(['certificate_authorities.id', 'organization_id', 'kind', 'certificate', 'fingerprint'])
    .select(['not_after', 'issuer_id', 'organizations.name as organization'])
    .where('kind', '!=', 'root')
    .orderBy('certificate_authorities.created_at')
    .orderBy('certificate_authorities.id')
    .execute();

/** Where each live agent stands: what it said it trusts, and whose its newest certificate is. */
async function heldBy(db: Queryable, issuing: Awaited<ReturnType<typeof issuingOf>>): Promise<HeldBy[]> {
  const rows = await db
    .selectFrom('agents')
    .innerJoin('organizations', 'organizations.id', 'agents.organization_id')
    .leftJoin('certificates', (join) =>
      join
        .onRef('certificates.organization_id', '=', 'agents.organization_id')
        .onRef('certificates.agent_id', '=', 'agents.id')
        .on('certificates.revoked_at', 'is', null),
    )
    .select(['agents.id', 'agents.vm_id', 'agents.trust_version', 'organizations.name'])
    .select(['certificates.chain', 'certificates.created_at', 'certificates.first_used_at'])
    .where('agents.state', '!=', 'revoked')
    .orderBy('agents.id')
    .orderBy('certificates.created_at')
    .execute();
  const byPem = new Map(issuing.map((row) => [row.certificate.trim(), row]));
  const agents = new Map<string, HeldBy>();
  for (const row of rows) {
    // The leaf comes first, and what signed it second.
    const [, second] = row.chain?.split(/(?=-----BEGIN CERTIFICATE-----)/) ?? [];
    const by = second === undefined ? undefined : byPem.get(second.trim());
    // One that was given and never used may never have arrived.
    const counts = row.first_used_at !== null || !agents.has(row.id);
    if (!counts) continue;
    agents.set(row.id, {
      agentId: row.id,
      vmId: row.vm_id,
      organization: row.name,
      trustVersion: row.trust_version,
      issuingId: by?.id,
      rootId: by?.issuer_id ?? undefined,
    });
  }
  return [...agents.values()];
}

const isConfirmed = (agent: HeldBy, roots: Roots): boolean =>
  agent.trustVersion === roots.version && agent.rootId === roots.active.id;

export async function unconfirmedAgents(store: Store): Promise<{ vmId: string; agentId: string }[]> {
  const roots = await readRoots(store.db);
  const agents = await heldBy(store.db, await issuingOf(store.db));
  return agents.filter((agent) => !isConfirmed(agent, roots));
}

export async function caStatus(options: {
  store: Store;
  clock: Clock;
  trustDomain: string;
  shown: readonly ShownCertificate[];
}): Promise<CaStatus> {
  const { store, clock, trustDomain, shown: servers } = options;
  const roots = await readRoots(store.db);
  const issuing = await issuingOf(store.db);
  const agents = await heldBy(store.db, issuing);
  const end = (ms: number) => ({
    not_after: isoTime(Number(ms)),
    days_left: Math.floor((Number(ms) - clock.now()) / DAY_MS),
  });
  const fingerprintOf = (rootId: string | null | undefined) =>
    roots.all.find(({ id }) => id === rootId)?.fingerprint ?? null;
  const newest = new Map(issuing.map((row) => [row.organization_id, row.id]));
  const shown = issuing.filter(
    (row) =>
      newest.get(row.organization_id) === row.id || agents.some(({ issuingId }) => issuingId === row.id),
  );
  const unconfirmed = agents.filter((agent) => !isConfirmed(agent, roots));
  const has = (state: string) => roots.all.some((root) => root.state === state);
  return {
    trust_domain: trustDomain,
    bundle_version: roots.version,
    stage: has('next') ? 'started' : has('previous') ? 'activated' : 'none',
    roots: roots.all.map((root) => ({
      fingerprint: root.fingerprint,
      state: root.state,
      ...end(root.not_after),
      key_here: root.sealed_key !== null,
      agents: agents.filter(({ rootId }) => rootId === root.id).length,
    })),
    issuing: shown.map((row) => ({
      fingerprint: row.fingerprint,
      organization: row.organization,
      root: fingerprintOf(row.issuer_id) ?? '',
      ...end(row.not_after),
      current: newest.get(row.organization_id) === row.id,
      agents: agents.filter(({ issuingId }) => issuingId === row.id).length,
    })),
    servers: servers.map((server) => ({
      kind: server.kind,
      ...end(server.notAfterMs),
      renews_at: server.renewsAtMs === null ? null : isoTime(server.renewsAtMs),
      late: endsSoon(server, clock.now()),
    })),
    agents: {
      live: agents.length,
      confirmed: agents.length - unconfirmed.length,
      unconfirmed: unconfirmed.slice(0, MAX_SHOWN).map((agent) => ({
        agent_id: agentIdSchema.parse(agent.agentId),
        vm_id: vmIdSchema.parse(agent.vmId),
        organization: agent.organization,
        bundle_version: agent.trustVersion,
        root: fingerprintOf(agent.rootId),
      })),
    },
  };
}
