import type { Clock } from '../../base/clock.ts';
import type { AgentId, OrganizationId, VmId } from '../../protocol/ids.ts';
import type { RenewResponse } from '../../protocol/rest-registration.ts';
import { record } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import { readCsr } from '../ca/sign-csr.ts';
import type { Queryable, Store } from '../store/store.ts';
import { refuseRevokedKey } from '../tenancy/revoke-certificate.ts';
import { certificateAnswer, renewAfter, type StoredCertificate } from './answer.ts';
import { saveNextCertificate } from './enrolled.ts';

export interface RenewingAgent {
  organizationId: OrganizationId;
  agentId: AgentId;
  vmId: VmId;
  /** Of the certificate that it asks with. */
  fingerprint: string;
}

/**
 * A certificate for the key in the CSR. The same key gets the same certificate again until that one is due for
 * renewal itself; the old certificate counts until the new one is first used.
 */
export type Renew = (request: {
  agent: RenewingAgent;
  csr: Uint8Array;
  address: string;
}) => Promise<RenewResponse>;

export function createRenew(options: { store: Store; clock: Clock; authority: Authority }): Renew {
  const { store, clock, authority } = options;

  async function present(
    db: Queryable,
    agent: RenewingAgent,
    keyHash: string,
    issuing: string,
  ): Promise<StoredCertificate | undefined> {
    const row = await db
      .selectFrom('certificates')
      .selectAll()
      .where('organization_id', '=', agent.organizationId)
      .where('agent_id', '=', agent.agentId)
      .where('public_key_hash', '=', keyHash)
      .where('revoked_at', 'is', null)
      .orderBy('created_at', 'desc')
      .executeTakeFirst();
    const stays = row && clock.now() < renewAfter(row);
    // After a rotation everybody gets one of the new authority, whatever is left of the old.
    return stays && row.chain.includes(issuing) ? row : undefined;
  }

  return async ({ agent, csr, address }) => {
    const { organizationId, agentId } = agent;
    const key = await readCsr(csr);
    const answer = (certificate: StoredCertificate) =>
      certificateAnswer(authority, organizationId, certificate, clock.now());
    await refuseRevokedKey(store.db, organizationId, key.hash);
    // Asked before the transaction, which must not wait.
    const issuing = await authority.issuingOf(organizationId);
    const same = await present(store.db, agent, key.hash, issuing);
    if (same) return answer(same);
    const issued = await authority.issueAgent({ organizationId, agentId, publicKey: key.publicKey });
    const certificate = await store.transaction(async (tx) => {
      const meanwhile = await present(tx, agent, key.hash, issuing);
      if (meanwhile) return meanwhile;
      const now = clock.now();
      const row = await saveNextCertificate(tx, { organizationId, agentId, issued, keyHash: key.hash, now });
      await record(tx, {
        at: now,
        organizationId,
        action: 'agent.renew',
        actor: { type: 'agent', id: agentId, name: agent.vmId },
        address,
        target: agentId,
        detail: { certificate: row.fingerprint, before: agent.fingerprint },
      });
      return row;
    });
    return answer(certificate);
  };
}
