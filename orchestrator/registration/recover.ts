import { createHash, verify, X509Certificate } from 'node:crypto';
import { type Clock, isoTime } from '../../base/clock.ts';
import { identityOf, type PeerIdentity } from '../../base/tls-peer.ts';
import { AppError } from '../../protocol/errors.ts';
import { vmIdSchema } from '../../protocol/ids.ts';
import {
  type RecoverRequest,
  type RecoverResponse,
  type RecoveryNonce,
  recoveryStatement,
} from '../../protocol/rest-registration.ts';
import { record } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import { type CsrKey, readCsr } from '../ca/sign-csr.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import { quarantine } from '../tenancy/quarantine.ts';
import { refuseRevokedKey } from '../tenancy/revoke-certificate.ts';
import { createThrottle, type Throttle } from '../tenancy/throttle.ts';
import { certificateAnswer, type StoredCertificate } from './answer.ts';
import { certificateOfKey, saveNextCertificate } from './enrolled.ts';
import { askAgainAfter, decideRecovery, type RecoveryDecision } from './recovery-decision.ts';
import { openRecoveryNonces, type RecoveryNonces } from './recovery-nonces.ts';

export interface Recovery {
  /** The same for every well-formed agent_id. @throws AppError `rate_limited` */
  nonce(agentId: string, address: string): RecoveryNonce;
  /**
   * Lets a machine back in whose certificate ended while it slept, or says that it waits for an operator.
   * @throws AppError `recovery_refused`, `certificate_revoked`, `conflict`, `invalid_csr`, `rate_limited`
   */
  recover(request: { agentId: string; body: RecoverRequest; address: string }): Promise<RecoverResponse>;
}

/** Who has proved to hold the key of a certificate of this CA; whether it still counts is not known yet. */
interface Proven {
  organizationId: string;
  agentId: string;
  fingerprint: string;
}

const refused = (detail: string): AppError =>
  new AppError('recovery_refused', {
    detail,
    hint: 'The machine keeps its identity and asks again by itself. If it never comes back, enroll it anew with a new token.',
  });

const DAY_MS = 24 * 3600_000;
const daysAgo = (ms: number): string => {
  const days = Math.floor(ms / DAY_MS);
  return days === 0 ? 'less than a day ago' : days === 1 ? 'a day ago' : `${days} days ago`;
};

/** Failures of one agent_id from one address, and of the address as a whole, until it is slowed down. */
const FAILURES = { limit: 10, windowMs: 5 * 60_000 };
const ADDRESS_FAILURES = { limit: 100, windowMs: 5 * 60_000 };

export async function openRecovery(
  options: Pick<RecoveryOptions, 'store' | 'clock' | 'authority' | 'changed'> & { sealer: Sealer },
): Promise<Recovery> {
  const { clock } = options;
  return createRecovery({
    ...options,
    nonces: await openRecoveryNonces(options),
    throttle: createThrottle({ clock, ...FAILURES }),
    addressThrottle: createThrottle({ clock, ...ADDRESS_FAILURES }),
  });
}

interface RecoveryOptions {
  store: Store;
  clock: Clock;
  authority: Authority;
  nonces: RecoveryNonces;
  /** Failures of one agent_id from one address, and of the address as a whole. */
  throttle: Throttle;
  addressThrottle: Throttle;
  /** After the commit that put an agent into quarantine, or let it in. */
  changed(agentId: string, organizationId: string, quarantined: boolean): void;
}

function createRecovery(options: RecoveryOptions): Recovery {
  const { store, clock, authority, nonces, throttle, addressThrottle } = options;

  /**
   * Nothing of the store is looked at before the key has signed: a stranger, who has no certificate of this CA, gets
   * the same answer whoever he asks for.
   */
  async function prove(agentId: string, body: RecoverRequest): Promise<Proven> {
    if (!nonces.isGood(agentId, body.nonce))
      throw refused('The nonce is not one for this agent, or it has ended; ask for a new one.');
    const bad = refused('The certificate and the signature do not prove who asks.');
    const peer = readPeer(body.certificate);
    const role = peer?.role;
    if (peer === undefined || role?.role !== 'agent') throw bad;
    if (role.id !== agentId || role.trustDomain !== authority.trustDomain) throw bad;
    const statement = recoveryStatement({
      agentId,
      nonce: body.nonce,
      csrSha256: createHash('sha256').update(body.csr).digest('hex'),
    });
    if (!signedBy(peer.certificate, statement, body.signature)) throw bad;
    if (!(await authority.hasIssued(role.orgId, peer.certificate))) throw bad;
    return { organizationId: role.orgId, agentId, fingerprint: peer.fingerprint };
  }

  const select = (db: Queryable, { organizationId, agentId, fingerprint }: Proven) =>
    db
      .selectFrom('certificates as c')
      .innerJoin('agents as a', (join) =>
        join.onRef('a.organization_id', '=', 'c.organization_id').onRef('a.id', '=', 'c.agent_id'),
      )
      .innerJoin('organizations as o', 'o.id', 'a.organization_id')
      .select(['a.state', 'a.vm_id', 'a.quarantine_reason', 'a.quarantined_at'])
      .select(['c.revoked_at', 'c.not_after', 'c.readmitted_at', 'o.recovery_admit_s'])
      .where('c.organization_id', '=', organizationId)
      .where('c.fingerprint', '=', fingerprint)
      .where('c.agent_id', '=', agentId)
      .where('o.deleted_at', 'is', null)
      .executeTakeFirst();
  type Known = NonNullable<Awaited<ReturnType<typeof select>>>;

  const decide = (known: Known): RecoveryDecision =>
    decideRecovery(
      {
        state: known.state,
        certificate: {
          revokedAt: known.revoked_at,
          notAfter: Number(known.not_after),
          readmittedAt: known.readmitted_at === null ? null : Number(known.readmitted_at),
        },
        admitWithinS: known.recovery_admit_s === null ? null : Number(known.recovery_admit_s),
      },
      clock.now(),
    );

  function refuseFor(decision: RecoveryDecision, known: Known): void {
    if (decision === 'revoked')
      throw new AppError('certificate_revoked', {
        detail: `${known.vm_id} was revoked.`,
        hint: 'A revoked agent never comes back: enroll the machine again with a new token.',
      });
    if (decision === 'superseded')
      throw new AppError('certificate_revoked', {
        detail: `This certificate of ${known.vm_id} counts no more: it was revoked, or a newer one was used.`,
        hint: 'If this disk was put back from a backup, enroll the machine again with a new token.',
      });
    if (decision === 'not_ended')
      throw new AppError('conflict', {
        detail: `The certificate counts until ${isoTime(Number(known.not_after))}; here it is ${isoTime(clock.now())}.`,
        hint: 'Check the clock of the machine, and connect with the certificate.',
      });
  }

  const waiting = (known: Known, since: number): RecoverResponse => ({
    state: known.state === 'pending' ? 'pending' : 'quarantined',
    vm_id: vmIdSchema.parse(known.vm_id),
    reason: known.quarantine_reason,
    detail: `waiting for an operator to admit this machine; run: vm-orchestrator agents admit ${known.vm_id}`,
    retry_after: askAgainAfter(clock.now() - since),
    server_time: isoTime(clock.now()),
  });

  async function issue(tx: Tx, who: Proven, key: CsrKey, known: Known, address: string, issued: Issued) {
    const now = clock.now();
    const certificate = await saveNextCertificate(tx, { ...who, issued, keyHash: key.hash, now });
    const { organizationId, agentId } = who;
    await tx
      .updateTable('certificates')
      .set({ readmitted_at: null })
      .where('organization_id', '=', organizationId)
      .where('agent_id', '=', agentId)
      .execute();
    await record(tx, {
      at: now,
      organizationId,
      action: 'agent.recover',
      actor: { type: 'agent', id: agentId, name: known.vm_id },
      address,
      target: agentId,
      detail: {
        vm_id: known.vm_id,
        certificate: certificate.fingerprint,
        before: who.fingerprint,
        ended: isoTime(Number(known.not_after)),
        by: known.readmitted_at === null ? 'rule' : 'operator',
      },
    });
    return certificate;
  }

  async function comeBack(who: Proven, body: RecoverRequest, address: string): Promise<RecoverResponse> {
    const key = await readCsr(Buffer.from(body.csr));
    const { organizationId, agentId } = who;
    await refuseRevokedKey(store.db, organizationId, key.hash);
    const before = await select(store.db, who);
    // Signed before the transaction, which must not wait; a signature that is not committed is forgotten.
    const issued =
      before !== undefined && decide(before) === 'issue'
        ? await authority.issueAgent({ organizationId, agentId, publicKey: key.publicKey })
        : undefined;
    const outcome = await store.transaction(async (tx): Promise<Outcome> => {
      if (!(await nonces.use(tx, organizationId, body.nonce)))
        throw refused('The nonce was used before; ask for a new one.');
      const known = await select(tx, who);
      if (known === undefined) throw refused('The certificate is not known here.');
      const decision = decide(known);
      refuseFor(decision, known);
      const again =
        decision === 'wait'
          ? undefined
          : await certificateOfKey(tx, { ...who, keyHash: key.hash, now: clock.now() });
      if (again !== undefined) return { certificate: again, quarantined: false };
      if (decision === 'issue') {
        // It was something else a moment ago: the agent asks again.
        if (issued === undefined) throw new AppError('unavailable');
        return { certificate: await issue(tx, who, key, known, address, issued), quarantined: false };
      }
      const now = clock.now();
      const since = Number(known.quarantined_at ?? now);
      if (decision === 'wait') return { answer: waiting(known, since), quarantined: false };
      const ended = Number(known.not_after);
      const reason = 'certificate_expired' as const;
      const detail = `it ended ${daysAgo(now - ended)}, at ${isoTime(ended)}; asked from ${address} with proof of its key`;
      const actor = { type: 'agent' as const, id: agentId, name: known.vm_id };
      await quarantine(tx, { organizationId, agentId, reason, detail, at: now, actor, address });
      const held: Known = { ...known, state: 'quarantined', quarantine_reason: reason };
      return { answer: waiting(held, now), quarantined: true };
    });
    if (outcome.quarantined || 'certificate' in outcome)
      options.changed(agentId, organizationId, outcome.quarantined);
    if ('answer' in outcome) return outcome.answer;
    return {
      ...(await certificateAnswer(authority, organizationId, outcome.certificate, clock.now())),
      state: 'active',
    };
  }

  return {
    nonce(agentId, address) {
      addressThrottle.check([address]);
      const { nonce, expiresAt } = nonces.make(agentId);
      return { nonce, expires_at: isoTime(expiresAt), server_time: isoTime(clock.now()) };
    },
    async recover({ agentId, body, address }) {
      const keys = [`${agentId}:${address}`];
      throttle.check(keys);
      addressThrottle.check([address]);
      let who: Proven | undefined;
      try {
        who = await prove(agentId, body);
        return await comeBack(who, body, address);
      } catch (cause) {
        if (cause instanceof AppError && cause.status < 500) {
          throttle.failed(keys);
          if (who === undefined) addressThrottle.failed([address]);
          await record(store.db, {
            at: clock.now(),
            // Only the proven word of an agent is put into the log of an organization.
            organizationId: who?.organizationId ?? null,
            action: 'agent.recover_refused',
            actor: { type: 'anonymous', id: 'anonymous', name: agentId },
            address,
            target: agentId,
            detail: { code: cause.code, ...(who === undefined ? {} : { certificate: who.fingerprint }) },
          });
        }
        throw cause;
      }
    },
  };
}

type Issued = Awaited<ReturnType<Authority['issueAgent']>>;
type Outcome = { quarantined: boolean } & ({ certificate: StoredCertificate } | { answer: RecoverResponse });

export function readPeer(pem: string): PeerIdentity | undefined {
  try {
    return identityOf(new X509Certificate(pem));
  } catch {
    return undefined;
  }
}

function signedBy(certificate: X509Certificate, statement: string, signature: string): boolean {
  try {
    const { publicKey } = certificate;
    return (
      publicKey.asymmetricKeyType === 'ec' &&
      verify('sha256', Buffer.from(statement), publicKey, Buffer.from(signature, 'base64'))
    );
  } catch {
    return false;
  }
}
