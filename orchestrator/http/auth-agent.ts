import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { type PeerIdentity, tlsPeer } from '../../base/tls-peer.ts';
import { AppError } from '../../protocol/errors.ts';
import { agentIdSchema, organizationIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import { record } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import { namesIssuer } from '../ca/authority-rows.ts';
import type { FindLost } from '../registration/unknown-to-backup.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store } from '../store/store.ts';
import type { AuthenticateAgent } from './auth.ts';

/** One who tries again and again must not fill the audit log. */
const TELL_AGAIN_MS = 60_000;

const required = (detail: string): AppError => new AppError('client_certificate_required', { detail });

/** What TLS proved, if it is an agent of this trust domain. */
function agentPeer(
  socket: unknown,
  trustDomain: string,
  now: number,
): PeerIdentity & { orgId: string; id: string } {
  if (!(socket instanceof TLSSocket)) throw required('This connection is not TLS.');
  const outcome = tlsPeer(socket, now);
  if (outcome.kind === 'none') throw required('An agent’s client certificate is required here.');
  if (outcome.kind === 'refused') {
    if (outcome.why === 'expired' || outcome.why === 'not_yet_valid') {
      throw new AppError('certificate_expired', {
        detail: `The client certificate is not valid at this time: ${outcome.detail}.`,
        hint: 'Check the clock of the machine; if it is right, the agent asks to come back by itself (POST …/recover).',
      });
    }
    throw required(`The client certificate does not count here: ${outcome.detail}.`);
  }
  const { role } = outcome.peer;
  if (role.role !== 'agent') throw required(`A certificate of role agent is required, not ${role.role}.`);
  if (role.trustDomain !== trustDomain) throw required('The client certificate is of another trust domain.');
  return { ...outcome.peer, orgId: role.orgId, id: role.id };
}

export function createAgentAuth(options: {
  store: Store;
  /** A whole fleet may show its first or renewed certificates at once. */
  commits: GroupCommit;
  clock: Clock;
  authority: Authority;
  /** Asked about a certificate of ours that no row knows. */
  findLost: FindLost;
}): AuthenticateAgent {
  const { store, commits, clock, authority, findLost } = options;

  const select = (peer: { orgId: string; fingerprint: string }) =>
    store.db
      .selectFrom('certificates')
      .innerJoin('agents', (join) =>
        join
          .onRef('agents.organization_id', '=', 'certificates.organization_id')
          .onRef('agents.id', '=', 'certificates.agent_id'),
      )
      .select(['agents.id', 'agents.vm_id', 'agents.state'])
      .select(['certificates.revoked_at', 'certificates.revoked_reason'])
      .select(['certificates.first_used_at', 'certificates.created_at'])
      .where('certificates.organization_id', '=', peer.orgId)
      .where('certificates.fingerprint', '=', peer.fingerprint)
      .executeTakeFirst();

  /** From the first use of a renewed certificate on, the ones before it count no more. */
  async function firstUse(
    peer: { orgId: string; id: string; fingerprint: string },
    vmId: string,
    createdAt: number,
  ) {
    await commits.run(async (tx) => {
      const now = clock.now();
      const { numUpdatedRows } = await tx
        .updateTable('certificates')
        .set({ first_used_at: now })
        .where('organization_id', '=', peer.orgId)
        .where('fingerprint', '=', peer.fingerprint)
        .where('first_used_at', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return;
      const older = await tx
        .updateTable('certificates')
        .set({ revoked_at: now })
        .where('organization_id', '=', peer.orgId)
        .where('agent_id', '=', peer.id)
        .where('fingerprint', '!=', peer.fingerprint)
        .where('created_at', '<=', createdAt)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      if (older.numUpdatedRows === 0n) return;
      await record(tx, {
        at: now,
        organizationId: peer.orgId,
        action: 'certificate.superseded',
        actor: { type: 'agent', id: peer.id, name: vmId },
        target: peer.id,
        detail: { certificate: peer.fingerprint },
      });
    });
  }

  const toldAt = new Map<string, number>();

  /** A certificate that is shown for another agent is a stolen one, or a machine that was copied badly. */
  async function tellForeign(
    peer: { orgId: string; id: string; fingerprint: string },
    ownVmId: string,
    wanted: string,
    address: string | null,
  ): Promise<void> {
    const last = toldAt.get(peer.id);
    if (last !== undefined && clock.monotonic() - last < TELL_AGAIN_MS) return;
    toldAt.set(peer.id, clock.monotonic());
    await record(store.db, {
      at: clock.now(),
      organizationId: peer.orgId,
      action: 'agent.wrong_agent_refused',
      actor: { type: 'agent', id: peer.id, name: ownVmId },
      address,
      target: peer.id,
      detail: { alarm: true, wanted: wanted.slice(0, 128), certificate: peer.fingerprint },
    });
  }

  return async (request: IncomingMessage, vmId: string) => {
    // Browsers always send it on what could harm; an agent never does.
    if (request.headers.origin !== undefined) throw new AppError('origin_refused');
    const peer = agentPeer(request.socket, authority.trustDomain, clock.now());
    const issuerKnown = await authority.hasIssued(peer.orgId, peer.certificate);
    // A store that was put back to a backup may lack the issuing certificate, not the root that TLS came to.
    if (!issuerKnown && !namesIssuer(peer.certificate, authority.trustDomain, peer.orgId))
      throw required('The client certificate was not issued for the organization that it names.');
    const seen = await select(peer);
    const address = request.socket.remoteAddress ?? null;
    const row =
      seen ?? ((await findLost({ ...peer, issuerKnown }, vmId, address)) ? await select(peer) : undefined);
    if (row === undefined || row.id !== peer.id) throw required('The client certificate is not known here.');
    if (row.revoked_at !== null || row.state === 'revoked') {
      throw new AppError('certificate_revoked', {
        hint:
          row.state === 'revoked'
            ? 'The agent was revoked; enroll the machine again with a new token.'
            : row.revoked_reason !== null
              ? 'This certificate was revoked; enroll the machine again with a new token and a new key.'
              : 'A newer certificate of this agent is in use.',
      });
    }
    if (row.vm_id !== vmId) {
      await tellForeign(peer, row.vm_id, vmId, request.socket.remoteAddress ?? null);
      throw new AppError('wrong_agent', { detail: 'The client certificate belongs to another agent.' });
    }
    if (row.first_used_at === null) await firstUse(peer, row.vm_id, Number(row.created_at));
    return {
      organizationId: organizationIdSchema.parse(peer.orgId),
      agentId: agentIdSchema.parse(row.id),
      vmId: vmIdSchema.parse(row.vm_id),
      state: row.state,
      fingerprint: peer.fingerprint,
      certificateEndsMs: peer.notAfterMs,
    };
  };
}
