import type { Logger } from '../../base/logger.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import { PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import type { Hello } from '../../protocol/messages.ts';
import { TRUST_FEATURE, type TrustAck, type TrustStatement } from '../../protocol/trust-update.ts';
import type { Authority } from '../ca/authority.ts';
import type { CommandKeys } from '../ca/command-keys.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import type { Store } from '../store/store.ts';

/** Renewals that one orchestrator takes on beside its other work. */
const RENEWALS_PER_S = 50;

/** Tells agents which roots to trust, and keeps what they confirm. */
export interface TrustUpdates {
  /** The present set, signed by the organization's command root. */
  statement(organizationId: string): Promise<Envelope>;
  /** An agent connected; it is told when it keeps an older set, or none. */
  opened(session: AgentSession, hello: Hello): void;
  acknowledged(session: AgentSession, message: TrustAck): void;
  /** The roots changed: all that are connected are told. */
  changed(): void;
  idle(): Promise<void>;
}

export function createTrustUpdates(options: {
  store: Store;
  log: Logger;
  authority: Authority;
  commandKeys: Pick<CommandKeys, 'vouch'>;
}): TrustUpdates {
  const { store, log, authority, commandKeys } = options;
  /** Those that can be told, by agent; a session that ended is dropped when it is met. */
  const sessions = new Map<string, AgentSession>();
  const made = new Map<string, { version: number; issuing: string; envelope: Promise<Envelope> }>();
  const working = new Set<Promise<void>>();

  function later(what: string, work: () => Promise<void>): void {
    const running = work().catch((cause: unknown) => log.error({ err: cause }, what));
    working.add(running);
    void running.then(() => working.delete(running));
  }

  /** One signature serves a whole organization, for as long as nothing changes. */
  async function statement(organizationId: string): Promise<Envelope> {
    const { version, roots, vouchers } = authority.trust;
    const issuing = await authority.issuingFingerprint(organizationId);
    const present = made.get(organizationId);
    if (present !== undefined && present.version === version && present.issuing === issuing)
      return present.envelope;
    const payload: TrustStatement = {
      org_id: organizationId,
      trust_domain: authority.trustDomain,
      version,
      roots: [...roots],
      vouchers: [...vouchers],
      issuing,
    };
    const envelope = commandKeys.vouch(organizationId, PAYLOAD_TYPE.trust, payload);
    made.set(organizationId, { version, issuing, envelope });
    envelope.catch(() => made.delete(organizationId));
    return envelope;
  }

  async function tell(session: AgentSession): Promise<void> {
    const { organizationId } = session.agent;
    const { certificates } = await authority.bundle(organizationId);
    session.sendHint({
      type: 'trust_update',
      bundle_version: authority.trust.version,
      statement: await statement(organizationId),
      issuing: certificates.filter((pem) => !authority.trust.roots.includes(pem)),
      spread_s: Math.min(3600, Math.max(2, sessions.size / RENEWALS_PER_S)),
    });
  }

  /** Whether the certificate of its connection is what it would get today. */
  async function hasPresent({ agent }: AgentSession): Promise<boolean> {
    const row = await store.db
      .selectFrom('certificates')
      .select('chain')
      .where('organization_id', '=', agent.organizationId)
      .where('fingerprint', '=', agent.fingerprint)
      .executeTakeFirst();
    return row?.chain.includes(await authority.issuingOf(agent.organizationId)) === true;
  }

  async function keep(session: AgentSession, version: number): Promise<void> {
    await store.db
      .updateTable('agents')
      .set({ trust_version: version })
      .where('organization_id', '=', session.agent.organizationId)
      .where('id', '=', session.agent.agentId)
      .where((eb) => eb.or([eb('trust_version', 'is', null), eb('trust_version', '!=', version)]))
      .execute();
  }

  return {
    statement,
    opened(session, hello) {
      if (!hello.features.includes(TRUST_FEATURE)) return;
      sessions.set(session.agent.agentId, session);
      later('an agent could not be told of the roots', async () => {
        if (hello.bundle_version !== undefined) await keep(session, hello.bundle_version);
        if (hello.bundle_version !== authority.trust.version || !(await hasPresent(session)))
          await tell(session);
      });
    },
    acknowledged(session, message) {
      later('what an agent confirmed could not be kept', async () => {
        const { agentId, vmId } = session.agent;
        if (message.refused !== undefined)
          log.error(
            { agent_id: agentId, vm_id: vmId, kept: message.bundle_version, why: message.refused },
            'an agent refused the new set of root certificates',
          );
        await keep(session, message.bundle_version);
      });
    },
    changed() {
      for (const [agentId, session] of sessions)
        if (session.isOnline) later('an agent could not be told of the roots', () => tell(session));
        else sessions.delete(agentId);
    },
    idle: async () => {
      while (working.size > 0) await Promise.all(working);
    },
  };
}
