import type { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { agentIdSchema, organizationIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import { parseProvisioningToken } from '../../protocol/provisioning-token.ts';
import type { RegisterResponse, registerRequestSchema } from '../../protocol/rest-registration.ts';
import { record } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import type { CommandKeys } from '../ca/command-keys.ts';
import { readCsr } from '../ca/sign-csr.ts';
import type { Store } from '../store/store.ts';
import type { TokenRow } from '../tenancy/provisioning-tokens.ts';
import { refuseRevokedKey } from '../tenancy/revoke-certificate.ts';
import type { Throttle } from '../tenancy/throttle.ts';
import { certificateAnswer, type StoredCertificate } from './answer.ts';
import {
  type AgentIdentity,
  findByKey,
  refuseTakenName,
  saveAgent,
  saveCertificate,
  spendToken,
} from './enrolled.ts';
import { checkTokenIsAlive, checkTokenLimits, findPresentedToken } from './present-token.ts';
import type { TrustUpdates } from './trust-updates.ts';

type Request = z.output<typeof registerRequestSchema>;
type Enrolled = { agent: AgentIdentity; certificate: StoredCertificate; created: boolean };

export interface Registration {
  /**
   * Enrolls a machine: token use, agent and certificate are one transaction. `created` is false when the same key
   * had done so before: it gets the same agent again.
   */
  register(request: Request, address: string): Promise<{ created: boolean; response: RegisterResponse }>;
}

/** PEM text or DER, whatever of both the request holds. */
function csrBytes(request: Request): Uint8Array {
  return request.csr_base64 === undefined
    ? Buffer.from(request.csr ?? '')
    : Buffer.from(request.csr_base64, 'base64');
}

/** What a refused token is recorded for; one that was spent raises an alarm of its own. */
const REFUSALS: ReadonlySet<string> = new Set([
  'token_invalid',
  'token_expired',
  'token_revoked',
  'token_not_allowed',
]);

export function createRegistration(options: {
  store: Store;
  clock: Clock;
  authority: Authority;
  commandKeys: CommandKeys;
  trust: Pick<TrustUpdates, 'statement'>;
  throttle: Throttle;
  /** Of whatever tokens, for the address of a socket. */
  addressThrottle: Throttle;
  /** `https://host[:port]` */
  publicOrigin: () => string;
  /** Seconds between an agent's heartbeats. */
  heartbeatInterval: number;
  /** After the commit, before it was ever connected. */
  onEnrolled: (agentId: string, organizationId: string) => void;
}): Registration {
  const { store, clock, authority, commandKeys, trust, throttle, addressThrottle } = options;
  const { publicOrigin, heartbeatInterval } = options;

  const anonymous = (request: Request) => ({
    type: 'anonymous' as const,
    id: 'anonymous',
    name: request.vm_id,
  });

  /** Somebody has a token that was spent by another key: a copied token, or a thief who was first. */
  async function refuseSpent(
    token: TokenRow,
    request: Request,
    keyHash: string,
    address: string,
  ): Promise<never> {
    await record(store.db, {
      at: clock.now(),
      organizationId: token.organization_id,
      action: 'token.reuse_refused',
      actor: anonymous(request),
      address,
      target: token.id,
      detail: { alarm: true, vm_id: request.vm_id, hostname: request.hostname, public_key_hash: keyHash },
    });
    throw new AppError('token_used', {
      hint: 'If this machine did not use it, somebody else did: look at the audit log. Create a new token for this machine.',
    });
  }

  async function enroll(token: TokenRow, request: Request, address: string): Promise<Enrolled> {
    const organizationId = token.organization_id;
    const csr = await readCsr(csrBytes(request));
    const before = { organizationId, keyHash: csr.hash };
    const again = await findByKey(store.db, { ...before, now: clock.now() });
    // A lost answer must not cost the install, also when the token has ended meanwhile.
    if (again?.certificate && again.tokenId === token.id)
      return { ...again, certificate: again.certificate, created: false };
    checkTokenIsAlive(token, clock.now());
    checkTokenLimits(token, { vmId: request.vm_id, address });
    await refuseRevokedKey(store.db, organizationId, csr.hash);
    if (token.used >= token.uses) await refuseSpent(token, request, csr.hash, address);
    if (!again) await refuseTakenName(store.db, organizationId, request.vm_id);

    // Signed before the transaction, which must not wait; a signature that is not committed is forgotten.
    const agentId = again?.agent.id ?? newId('agt', clock);
    const issued = await authority.issueAgent({ organizationId, agentId, publicKey: csr.publicKey });
    const outcome = await store.transaction(async (tx): Promise<Enrolled | 'spent'> => {
      const now = clock.now();
      const known = await findByKey(tx, { ...before, now });
      if (known?.certificate && known.tokenId === token.id)
        return { ...known, certificate: known.certificate, created: false };
      if (!(await spendToken(tx, token, now))) return 'spent';
      if (!known) await refuseTakenName(tx, organizationId, request.vm_id);
      // The same machine with a new token stays the agent that it is.
      const agent = await saveAgent(tx, {
        id: agentId,
        known: known?.agent,
        token,
        request,
        keyHash: csr.hash,
        address,
        now,
      });
      const certificate =
        known?.certificate ??
        (await saveCertificate(tx, { organizationId, agentId: agent.id, issued, keyHash: csr.hash, now }));
      await record(tx, {
        at: now,
        organizationId,
        action: known ? 'agent.reenroll' : 'agent.enroll',
        actor: { type: 'agent', id: agent.id, name: agent.vm_id },
        address,
        target: agent.id,
        detail: {
          vm_id: agent.vm_id,
          hostname: request.hostname,
          token_id: token.id,
          certificate: certificate.fingerprint,
          ...(request.request_id === undefined ? {} : { request_id: request.request_id }),
        },
      });
      return { agent, certificate, created: known === undefined };
    });
    if (outcome !== 'spent') return outcome;
    const now = await store.db
      .selectFrom('provisioning_tokens')
      .selectAll()
      .where('organization_id', '=', organizationId)
      .where('id', '=', token.id)
      .executeTakeFirstOrThrow();
    checkTokenIsAlive(now, clock.now());
    return refuseSpent(token, request, csr.hash, address);
  }

  return {
    async register(request, address) {
      const text = request.provisioning_token ?? request.proof?.token ?? '';
      let organizationId: string | null = null;
      const enrolled = async () => {
        const token = await findPresentedToken({
          store,
          throttle,
          addressThrottle,
          isTrusted: authority.isTrusted,
          token: text,
          address,
        });
        organizationId = token.organization_id;
        return enroll(token, request, address);
      };
      const { agent, certificate, created } = await enrolled().catch(async (cause: unknown) => {
        if (cause instanceof AppError && REFUSALS.has(cause.code))
          await record(store.db, {
            at: clock.now(),
            organizationId,
            action: 'token.refused',
            actor: anonymous(request),
            address,
            target: parseProvisioningToken(text.trim())?.id ?? null,
            detail: { code: cause.code, vm_id: request.vm_id },
          });
        throw cause;
      });
      options.onEnrolled(agent.id, agent.organization_id);
      const command = await commandKeys.root(agent.organization_id);
      const socketOrigin = publicOrigin().replace(/^https:/, 'wss:');
      return {
        created,
        response: {
          ...(await certificateAnswer(authority, agent.organization_id, certificate, clock.now())),
          agent_id: agentIdSchema.parse(agent.id),
          vm_id: vmIdSchema.parse(agent.vm_id),
          organization_id: organizationIdSchema.parse(agent.organization_id),
          trust_domain: authority.trustDomain,
          websocket_url: `${socketOrigin}/api/v1/agents/${agent.vm_id}/ws`,
          heartbeat_interval: heartbeatInterval,
          command_key: command.publicKey,
          command_key_id: command.kid,
          state: agent.state === 'revoked' ? 'pending' : agent.state,
          trust: await trust.statement(agent.organization_id),
        },
      };
    },
  };
}
