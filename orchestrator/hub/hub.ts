import { type Clock, every, isoTime, type Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { newId } from '../../base/random.ts';
import { type SessionId, sessionIdSchema } from '../../protocol/ids.ts';
import type { AgentMessage, Hello } from '../../protocol/messages.ts';
import {
  CLOSE,
  COMMAND_CREDIT_BYTES,
  LINK_CREDIT_BYTES,
  MAX_FRAME_BYTES,
  PROTOCOL_MIN,
  PROTOCOL_VERSION,
} from '../../protocol/version.ts';
import {
  AgentSession,
  type AgentTraffic,
  type ConnectedAgent,
  type CosignMessage,
  type HeartbeatMessage,
  type TrustAckMessage,
} from './agent-session.ts';
import type { Bus } from './bus.ts';
import type { Connection } from './connection.ts';
import type { Presence } from './presence.ts';
import { mayBeOne, type Speaker, twoMachines } from './suspicion.ts';

const HELLO_TIMEOUT_MS = 10_000;
/** How long a session without a socket can be resumed, and how many such sessions are kept. */
const RESUME_MS = 5 * 60_000;
const MAX_DETACHED = 10_000;
/** Frames that an agent may send between its hello and the welcome. */
const MAX_EARLY = 64;
/** The bus carries revocations at once; this finds those whose hint was lost. */
const SWEEP_MS = 5000;

export interface HubOptions {
  clock: Clock;
  log: Logger;
  presence: Presence;
  bus: Bus;
  traffic: Omit<AgentTraffic, 'heartbeat' | 'reported' | 'failed' | 'cosigned' | 'trusts'>;
  /** Who watches the audit logs of agents, and shows them ours. */
  witnesses?: {
    opened(session: AgentSession, hello: Hello): void;
    heartbeat(session: AgentSession, message: HeartbeatMessage): void;
    cosigned(session: AgentSession, message: CosignMessage): void;
    gone(agentId: string): void;
  };
  /** Who tells agents which roots to trust. */
  trust?: {
    opened(session: AgentSession, hello: Hello): void;
    acknowledged(session: AgentSession, message: TrustAckMessage): void;
  };
  /** Seconds between heartbeats, as told to agents. */
  heartbeatInterval: number;
}

export interface Hub {
  /** Takes over a WebSocket whose agent has been authenticated. */
  accept(connection: Connection, agent: ConnectedAgent, state: 'active' | 'quarantined' | 'pending'): void;
  isOnline(agentId: string): boolean;
  /** The session of an agent, with or without a socket. */
  session(agentId: string): AgentSession | undefined;
  onlineCount(): number;
  /** Says goodbye to every agent; `retryAfterS` spreads their return. */
  close(retryAfterS?: number): Promise<void>;
}

interface Held {
  session: AgentSession;
  expiry: Timer | undefined;
}

export function createHub(options: HubOptions): Hub {
  const { clock, log, presence, bus, witnesses } = options;
  const held = new Map<string, Held>();
  const detached = new Set<string>();
  const connections = new Map<Connection, ConnectedAgent>();
  const online = (agentId: string) => held.get(agentId)?.session.isOnline === true;

  const traffic: AgentTraffic = {
    ...options.traffic,
    heartbeat(session, message) {
      presence.heartbeat(session.agent, message);
      witnesses?.heartbeat(session, message);
    },
    cosigned: (session, message) => witnesses?.cosigned(session, message),
    trusts: (session, message) => options.trust?.acknowledged(session, message),
    reported: (session, message) =>
      log.warn(
        { agent_id: session.agent.agentId, code: message.code, ref: message.ref },
        message.message.slice(0, 500),
      ),
    failed(session, cause) {
      log.error({ err: cause, agent_id: session.agent.agentId }, 'a frame of an agent could not be handled');
      // The agent keeps what was not acknowledged, and sends it again in a new session.
      forget(session);
      session.close(CLOSE.overloaded, 'what was sent could not be handled; try again');
    },
  };

  /** What fails in answering costs the session, never the process: the agent sends it again in the next one. */
  function guarded(session: AgentSession, handle: (to: AgentSession) => void): void {
    try {
      handle(session);
    } catch (cause) {
      traffic.failed(session, cause);
    }
  }

  function forget(session: AgentSession): void {
    const entry = held.get(session.agent.agentId);
    if (entry?.session !== session) return;
    entry.expiry?.cancel();
    detached.delete(session.agent.agentId);
    held.delete(session.agent.agentId);
    witnesses?.gone(session.agent.agentId);
  }

  function onDetached(session: AgentSession): void {
    const agentId = session.agent.agentId;
    const entry = held.get(agentId);
    if (entry?.session !== session) return;
    presence.closed(session.agent, session.epoch);
    witnesses?.gone(agentId);
    entry.expiry = clock.setTimer(RESUME_MS, () => forget(session), { background: true });
    detached.add(agentId);
    const [oldest] = detached.size > MAX_DETACHED ? detached : [];
    const oldestSession = oldest === undefined ? undefined : held.get(oldest)?.session;
    if (oldestSession) forget(oldestSession);
  }

  /** The session of a hello: the one it asks for if it is still held, else a new one. */
  function sessionFor(agent: ConnectedAgent, hello: Hello): { session: AgentSession; resumed: boolean } {
    const present = held.get(agent.agentId)?.session;
    if (present !== undefined && present.id === hello.session_id) return { session: present, resumed: true };
    if (present !== undefined) {
      forget(present);
      present.close(CLOSE.supersededSession, 'a newer session of this agent began');
    }
    const id: SessionId = sessionIdSchema.parse(newId('ses', clock));
    return { session: new AgentSession({ id, agent, traffic }), resumed: false };
  }

  async function welcome(connection: Connection, agent: ConnectedAgent, hello: Hello): Promise<void> {
    if (hello.protocol_min > PROTOCOL_VERSION || hello.protocol_max < PROTOCOL_MIN) {
      return connection.close(
        CLOSE.unsupportedVersion,
        `this orchestrator speaks ${PROTOCOL_MIN} to ${PROTOCOL_VERSION}`,
      );
    }
    const early: (() => void)[] = [];
    let session: AgentSession | undefined;
    const deliver = (handle: (to: AgentSession) => void) => {
      if (session !== undefined) return guarded(session, handle);
      early.push(() => session && guarded(session, handle));
      if (early.length > MAX_EARLY) connection.close(CLOSE.protocolError, 'too much before the welcome');
    };
    const end = certificateTimer(connection, agent);
    connection.listen({
      message: (message) => deliver((to) => to.receive(message)),
      output: (frame) => deliver((to) => to.receiveOutput(frame)),
      closed: (code, reason) => {
        end.cancel();
        connections.delete(connection);
        log.info({ agent_id: agent.agentId, vm_id: agent.vmId, code, reason }, 'agent disconnected');
        if (session?.detach(connection)) onDetached(session);
      },
    });
    const speaker: Speaker = {
      processId: hello.process_id,
      bootId: hello.boot_id,
      address: agent.address,
    };
    const rival = held.get(agent.agentId)?.session;
    // A reboot leaves a socket behind that never answers again; a copy of the machine answers.
    if (rival?.speaker !== undefined && !mayBeOne(rival.speaker, speaker) && (await rival.answers(clock))) {
      log.warn({ agent_id: agent.agentId, vm_id: agent.vmId }, 'two machines have this identity');
      await presence.suspect(agent, twoMachines(rival.speaker, speaker));
    }
    const admission = await presence.open(agent, hello);
    if (!connection.isOpen) {
      if (admission.kind === 'admitted') presence.closed(agent, admission.epoch);
      return end.cancel();
    }
    if (admission.kind === 'refused') return refuse(connection, admission.state, admission.reason);
    const current = held.get(agent.agentId);
    if (current !== undefined && current.session.epoch > admission.epoch)
      return connection.close(CLOSE.supersededSession, 'a newer session of this agent began');

    const { session: found, resumed } = sessionFor(agent, hello);
    current?.expiry?.cancel();
    detached.delete(agent.agentId);
    held.set(agent.agentId, { session: found, expiry: undefined });
    found.agent = agent;
    found.epoch = admission.epoch;
    found.heardMs = admission.heardMs;
    found.speaker = speaker;
    const before = found.attach(connection);
    connection.send({
      type: 'welcome',
      protocol: Math.min(PROTOCOL_VERSION, hello.protocol_max),
      agent_id: agent.agentId,
      organization_id: agent.organizationId,
      session_id: found.id,
      resumed,
      session_epoch: admission.epoch,
      server_time: isoTime(clock.now()),
      recv_seq: resumed ? found.recvSeq : 0,
      limits: {
        frame: MAX_FRAME_BYTES,
        command_credit: COMMAND_CREDIT_BYTES,
        link_credit: LINK_CREDIT_BYTES,
      },
      heartbeat_interval: options.heartbeatInterval,
    });
    before?.close(CLOSE.supersededSession, 'the session goes on over a newer connection');
    log.info(
      { agent_id: agent.agentId, vm_id: agent.vmId, resumed, epoch: admission.epoch },
      'agent connected',
    );
    if (resumed) found.resume(hello.recv_seq);
    session = found;
    for (const handle of early.splice(0)) handle();
    witnesses?.opened(found, hello);
    options.trust?.opened(found, hello);
    await traffic.opened(found, hello, resumed);
  }

  function certificateTimer(connection: Connection, agent: ConnectedAgent): Timer {
    return clock.setTimer(
      agent.certificateEndsMs - clock.now(),
      () => connection.close(CLOSE.certificateEnded, 'the certificate has ended'),
      { background: true },
    );
  }

  function refuse(
    connection: Connection,
    state: 'quarantined' | 'pending' | 'revoked' | 'gone',
    why = '',
  ): void {
    if (state === 'quarantined' || state === 'pending')
      connection.close(
        CLOSE.quarantined,
        `this agent is ${state}${why === '' ? '' : ` (${why})`}: an operator must admit it`,
      );
    else connection.close(CLOSE.certificateRevoked, 'this agent was revoked');
  }

  function cut(agentId: string, state: 'quarantined' | 'pending' | 'revoked'): void {
    const entry = held.get(agentId);
    if (entry !== undefined) {
      forget(entry.session);
      presence.closed(entry.session.agent, entry.session.epoch);
    }
    for (const [connection, owner] of connections) if (owner.agentId === agentId) refuse(connection, state);
  }

  /** The agent stays: with another certificate its session goes on. */
  function cutCertificates(fingerprints: readonly string[]): void {
    for (const [connection, { fingerprint }] of connections)
      if (fingerprints.includes(fingerprint))
        connection.close(CLOSE.certificateRevoked, 'this certificate was revoked');
  }

  const unsubscribe = bus.subscribe((hint) => {
    if (hint.topic !== 'revoked') return;
    if (hint.certificate === undefined) cut(hint.agent_id, hint.state ?? 'revoked');
    else cutCertificates([hint.certificate]);
  });
  const sweep = every(clock, SWEEP_MS, () => {
    if (held.size === 0) return;
    const owners = [...connections.values()];
    Promise.all([
      presence.cutOff([...new Set(owners.map(({ agentId }) => agentId))]),
      presence.revokedCertificates(owners.map(({ fingerprint }) => fingerprint)),
    ]).then(
      ([gone, certificates]) => {
        for (const { id, state } of gone) cut(id, state);
        cutCertificates(certificates);
      },
      (cause: unknown) =>
        log.error({ err: cause }, 'connected agents could not be checked against the store'),
    );
  });

  return {
    accept(connection, agent, state) {
      connections.set(connection, agent);
      const timeout = clock.setTimer(
        HELLO_TIMEOUT_MS,
        () => connection.close(CLOSE.helloTimeout, 'no hello within 10 s'),
        { background: true },
      );
      connection.listen({
        message(message: AgentMessage) {
          timeout.cancel();
          if (message.type !== 'hello')
            return connection.close(CLOSE.protocolError, `${message.type} came before hello`);
          welcome(connection, agent, message).catch((cause: unknown) => {
            log.error({ err: cause, agent_id: agent.agentId }, 'a session could not be opened');
            connection.close(CLOSE.overloaded, 'the session could not be opened; try again');
          });
        },
        output: () => connection.close(CLOSE.protocolError, 'output came before hello'),
        closed: () => {
          timeout.cancel();
          connections.delete(connection);
        },
      });
      if (state !== 'active') refuse(connection, state);
    },
    isOnline: online,
    session: (agentId) => held.get(agentId)?.session,
    onlineCount: () => [...held.values()].filter(({ session }) => session.isOnline).length,
    async close(retryAfterS) {
      unsubscribe();
      sweep.cancel();
      for (const { session } of held.values()) {
        session.sendHint({
          type: 'goaway',
          reason: 'the orchestrator is stopping',
          ...(retryAfterS === undefined ? {} : { retry_after: retryAfterS }),
        });
      }
      for (const connection of [...connections.keys()]) connection.close(CLOSE.goingAway, 'stopping');
      for (const { session } of [...held.values()]) forget(session);
      await presence.close();
    },
  };
}
