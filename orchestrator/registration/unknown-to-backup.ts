import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { PeerIdentity } from '../../base/tls-peer.ts';
import { BACKDATE_S } from '../../protocol/certificate-profile.ts';
import { vmIdSchema } from '../../protocol/ids.ts';
import { record } from '../audit/audit.ts';
import { publicKeyHash, spkiOf } from '../ca/x509.ts';
import { type RestoreRow, restoresOf, restoreThatLost } from '../restores/restores.ts';
import type { Store, Tx } from '../store/store.ts';
import { quarantine } from '../tenancy/quarantine.ts';

/** Agents in one organization that a restore may bring; more than this is no fleet that enrolled since a backup. */
const MOST_FOUND = 10_000;

export type Stranger = PeerIdentity & {
  orgId: string;
  id: string;
  /** False: one of our roots is above it, by an issuing certificate that this store does not hold. */
  issuerKnown: boolean;
};

/**
 * An agent shows a certificate that our own key signed and no row knows. Where this store was put back to a backup,
 * and the certificate is of the time that was lost, it gets its row again, quarantined until an operator admits it.
 * Resolves with whether it is known now. Whoever calls this has checked the signature, or that
 * TLS did, and by whom it is.
 */
export type FindLost = (stranger: Stranger, vmId: string, address: string | null) => Promise<boolean>;

export function createFindLost(options: { store: Store; clock: Clock; log: Logger }): FindLost {
  const { store, clock, log } = options;

  async function chainOf(tx: Tx, { orgId, certificate }: Stranger): Promise<string> {
    const rows = await tx
      .selectFrom('certificate_authorities')
      .select('certificate')
      .where('organization_id', '=', orgId)
      .where('kind', '=', 'organization')
      .execute();
    const issuer = rows.find((row) => certificate.checkIssued(new X509Certificate(row.certificate)));
    return certificate.toString() + (issuer?.certificate ?? '');
  }

  /** A row for an agent that enrolled after the backup; false when there are too many, or its name is taken. */
  async function addAgent(tx: Tx, stranger: Stranger, vmId: string, restore: RestoreRow): Promise<boolean> {
    const { orgId, id, certificate } = stranger;
    if (restore.agents_found >= MOST_FOUND || !vmIdSchema.safeParse(vmId).success) return false;
    const taken = await tx
      .selectFrom('agents')
      .select('id')
      .where('organization_id', '=', orgId)
      .where('vm_id', '=', vmId)
      .where('state', '!=', 'revoked')
      .executeTakeFirst();
    if (taken !== undefined) return false;
    await tx
      .insertInto('agents')
      .values({
        organization_id: orgId,
        id,
        vm_id: vmId,
        // Until it says so itself.
        hostname: vmId.slice('vm-'.length, -7),
        state: 'active',
        public_key_hash: publicKeyHash(spkiOf(certificate.publicKey)),
        token_id: '',
        api_key_hash: '',
        labels: '{}',
        reported_labels: '{}',
        tools: '[]',
        features: '[]',
        enrolled_at: stranger.notBeforeMs + BACKDATE_S * 1000,
        session_epoch: 0,
        command_seq: 0,
      })
      .execute();
    await tx
      .updateTable('restores')
      .set((e) => ({ agents_found: e('agents_found', '+', 1) }))
      .where('organization_id', '=', orgId)
      .where('id', '=', restore.id)
      .execute();
    return true;
  }

  async function find(
    tx: Tx,
    stranger: Stranger,
    vmId: string,
    address: string | null,
  ): Promise<'found' | 'admitted' | undefined> {
    const { orgId, id, fingerprint, serial, certificate, notBeforeMs, notAfterMs } = stranger;
    const issuedAt = notBeforeMs + BACKDATE_S * 1000;
    // Two requests at once: the other was first.
    const present = await tx
      .selectFrom('certificates')
      .select('fingerprint')
      .where('organization_id', '=', orgId)
      .where('fingerprint', '=', fingerprint)
      .executeTakeFirst();
    if (present !== undefined) return 'admitted';
    const restore = restoreThatLost(await restoresOf(tx, orgId), issuedAt);
    if (restore === undefined) return undefined;
    const known = await tx
      .selectFrom('agents')
      .select(['vm_id', 'state'])
      .where('organization_id', '=', orgId)
      .where('id', '=', id)
      .executeTakeFirst();
    if (known === undefined && !(await addAgent(tx, stranger, vmId, restore))) return undefined;
    // Revoked it was before the backup: nothing that came later counts.
    if (known !== undefined && (known.state === 'revoked' || known.vm_id !== vmId)) return undefined;
    // The key of a root that was retired may be in wrong hands, and it could make such an issuer: a person decides.
    const admitted = stranger.issuerKnown && known?.state === 'active' && restore.admit_known === 1;
    if (!admitted && known?.state !== 'pending')
      await quarantine(tx, {
        organizationId: orgId,
        agentId: id,
        reason: 'certificate_unknown',
        detail: `${known === undefined ? 'it enrolled after the backup' : 'its certificate is of after the backup'}${stranger.issuerKnown ? '' : ', and so is what issued it'}`,
        at: clock.now(),
        address,
      });
    await tx
      .insertInto('certificates')
      .values({
        organization_id: orgId,
        fingerprint,
        agent_id: id,
        serial: serial.toLowerCase(),
        public_key_hash: publicKeyHash(spkiOf(certificate.publicKey)),
        chain: await chainOf(tx, stranger),
        not_before: notBeforeMs,
        not_after: notAfterMs,
        created_at: issuedAt,
      })
      .execute();
    await record(tx, {
      at: clock.now(),
      organizationId: orgId,
      action: 'agent.unknown_to_backup',
      actor: { type: 'agent', id, name: vmId },
      address,
      target: id,
      detail: {
        vm_id: vmId,
        certificate: fingerprint,
        restore_id: restore.id,
        known_agent: known !== undefined,
        state: admitted ? 'active' : 'quarantined',
      },
    });
    return admitted ? 'admitted' : 'found';
  }

  return async (stranger, vmId, address) => {
    const outcome = await store.transaction((tx) => find(tx, stranger, vmId, address));
    if (outcome === 'found')
      log.warn(
        { agent_id: stranger.id, vm_id: vmId },
        'an agent has a certificate of after the backup: it is quarantined until it is admitted',
      );
    return outcome !== undefined;
  };
}
