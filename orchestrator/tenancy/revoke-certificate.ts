import { AppError } from '../../protocol/errors.ts';
import type { RevokedCertificate } from '../../protocol/rest-certificates.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Queryable, Tx } from '../store/store.ts';

/** As openssl and browsers print it, in the form in which it is stored. */
const plain = (id: string): string => id.replaceAll(':', '').toLowerCase();

/**
 * Ends one certificate of an agent, by its fingerprint or serial number; the agent itself stays. Its key gets no other
 * certificate (see {@link refuseRevokedKey}): who revokes a certificate alone most often means that its key is out.
 * @throws AppError `not_found`
 */
export async function revokeCertificate(
  tx: Tx,
  request: {
    organizationId: string;
    id: string;
    reason: string;
    at: number;
    actor: AuditActor;
    address: string | null;
  },
): Promise<RevokedCertificate> {
  const { organizationId, reason, at, actor, address } = request;
  const id = plain(request.id);
  const row = await tx
    .selectFrom('certificates')
    .innerJoin('agents', (join) =>
      join
        .onRef('agents.organization_id', '=', 'certificates.organization_id')
        .onRef('agents.id', '=', 'certificates.agent_id'),
    )
    .selectAll('certificates')
    .select('agents.vm_id')
    .where('certificates.organization_id', '=', organizationId)
    .where((eb) => eb.or([eb('fingerprint', '=', id), eb('serial', '=', id)]))
    .executeTakeFirst();
  if (row === undefined)
    throw new AppError('not_found', {
      detail: 'No certificate of this organization has that fingerprint or serial number.',
      hint: 'See an agent’s certificates on its page, or: openssl x509 -noout -serial -fingerprint -sha256 -in vm_agent.crt',
    });
  const answer = {
    fingerprint: row.fingerprint,
    serial: row.serial,
    agent_id: row.agent_id,
    vm_id: row.vm_id,
    already: row.revoked_reason !== null,
  };
  if (answer.already) return answer;
  await tx
    .updateTable('certificates')
    .set({ revoked_at: row.revoked_at ?? at, revoked_reason: reason })
    .where('organization_id', '=', organizationId)
    .where('fingerprint', '=', row.fingerprint)
    .execute();
  await record(tx, {
    at,
    organizationId,
    action: 'certificate.revoke',
    actor,
    address,
    target: row.agent_id,
    detail: { vm_id: row.vm_id, certificate: row.fingerprint, serial: row.serial, reason },
  });
  return answer;
}

/** @throws AppError `invalid_csr` for the key of a certificate that somebody revoked by itself. */
export async function refuseRevokedKey(
  db: Queryable,
  organizationId: string,
  keyHash: string,
): Promise<void> {
  const revoked = await db
    .selectFrom('certificates')
    .select('fingerprint')
    .where('organization_id', '=', organizationId)
    .where('public_key_hash', '=', keyHash)
    .where('revoked_reason', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  if (revoked === undefined) return;
  throw new AppError('invalid_csr', {
    detail: 'A certificate for the key of this request was revoked: the key gets no other one.',
    hint: 'Enroll the machine anew with a new token and --force-reinstall: that makes a new key.',
  });
}
