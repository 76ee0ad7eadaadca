import type { Clock } from '../../base/clock.ts';
import type { AgentId, CommandId, OrganizationId, SessionId, VmId } from '../../protocol/ids.ts';
import type { AgentMessage, Hello, OrchestratorMessage } from '../../protocol/messages.ts';
import type { OutputFrame } from '../../protocol/output-frame.ts';
import type { Transport } from '../../protocol/rest-fleet.ts';
import { SessionLink } from '../../protocol/session.ts';
import { CLOSE, LINK_CREDIT_BYTES } from '../../protocol/version.ts';
import type { Connection } from './connection.ts';
import type { Speaker } from './suspicion.ts';

/** Who is connected, as its certificate and the store say. */
export interface ConnectedAgent {
  organizationId: OrganizationId;
  agentId: AgentId;
  vmId: VmId;
  /** When its certificate ends (ms since the epoch): no socket outlives it. */
  certificateEndsMs: number;
  /** Hex SHA-256 of that certificate. */
  fingerprint: string;
  address: string | null;
  /** What its frames come over; `poll` where WebSockets are blocked. */
  transport: Transport;
}

export type SequencedMessage = Extract<OrchestratorMessage, { seq: number }>;
type WithoutSeq<M> = M extends SequencedMessage ? Omit<M, 'seq' | 'ack'> : never;
export type StateMessage = Extract<AgentMessage, { type: 'state' }>;
export type ResultMessage = Extract<AgentMessage, { type: 'result' }>;
export type ErrorMessage = Extract<AgentMessage, { type: 'error' }>;
export type CosignMessage = Extract<AgentMessage, { type: 'audit_cosign' }>;
export type TrustAckMessage = Extract<AgentMessage, { type: 'trust_ack' }>;
export type HeartbeatMessage = Extract<AgentMessage, { type: 'heartbeat' }>;

/**
 * What becomes of an agent's frames. Each promise resolves when what the frame says is on disk, or when it was
 * dropped for good; a rejection ends the session, and the agent sends it again in the next one.
 */
export interface AgentTraffic {
  /** After the welcome. `resumed`: the session goes on where it was. */
  opened(session: AgentSession, hello: Hello, resumed: boolean): Promise<void>;
  heartbeat(session: AgentSession, message: HeartbeatMessage): void;
  /** The agent could not handle something of ours. */
  reported(session: AgentSession, message: ErrorMessage): void;
  state(session: AgentSession, message: StateMessage): Promise<void>;
  result(session: AgentSession, message: ResultMessage): Promise<void>;
  output(session: AgentSession, frame: OutputFrame): Promise<void>;
  /** The agent has these on disk. */
  freed(session: AgentSession, frames: readonly SequencedMessage[]): void;
  failed(session: AgentSession, cause: unknown): void;
  /** The agent keeps a checkpoint of its organization's audit log, or refuses it. */
  cosigned(session: AgentSession, message: CosignMessage): void;
  /** The agent keeps a set of roots, or refuses it. */
  trusts(session: AgentSession, message: TrustAckMessage): void;
}

/** Bytes of output that may wait for the disk before the socket is no longer read: an honest agent stays below. */
const PAUSE_BYTES = 2 * LINK_CREDIT_BYTES;
/** Frames that may wait for the disk. Results wait for their output, so reading must go on; more than this is no agent of ours. */
const MAX_PENDING = 4096;

/**
 * One session of an agent, which outlives its sockets: frames are handed on in order and once, and acknowledged when
 * they are durable. Invariant: a seq is acknowledged only when it and all before it are.
 */
export class AgentSession {
  readonly id: SessionId;
  agent: ConnectedAgent;
  /** Commands and cancels that went out in this session, so that neither goes twice. */
  readonly offered = new Set<CommandId>();
  readonly cancelled = new Set<CommandId>();
  epoch = 0;
  /** When the agent was heard before this connection (ms since the epoch); 0: never. */
  heardMs = 0;
  /** Which process speaks for it. */
  speaker: Speaker | undefined;
  #link = new SessionLink<SequencedMessage>();
  #connection: Connection | undefined;
  #traffic: AgentTraffic;
  #pending: { seq: number; durable: boolean }[] = [];
  #outstanding = 0;
  #ackDue = false;

  constructor(options: { id: SessionId; agent: ConnectedAgent; traffic: AgentTraffic }) {
    this.id = options.id;
    this.agent = options.agent;
    this.#traffic = options.traffic;
  }

  get isOnline(): boolean {
    return this.#connection?.isOpen === true;
  }
  get recvSeq(): number {
    return this.#link.recvSeq;
  }
  get unacked(): readonly SequencedMessage[] {
    return this.#link.unacked;
  }

  /** The session goes on over this connection; returns the one before it, which is to be closed. */
  attach(connection: Connection): Connection | undefined {
    const before = this.#connection;
    this.#connection = connection;
    return before === connection ? undefined : before;
  }

  /** Whether somebody is there at the other end, now. */
  async answers(clock: Clock): Promise<boolean> {
    return (await this.#connection?.answers(clock)) ?? false;
  }

  /** Sends again what the peer has not handed on. */
  resume(peerRecvSeq: number): void {
    for (const frame of this.#link.resume(peerRecvSeq)) this.#transmit(frame);
  }

  /** Whether this was the session's connection, which it now lacks. */
  detach(connection: Connection): boolean {
    if (this.#connection !== connection) return false;
    this.#connection = undefined;
    return true;
  }

  /** Numbered, and kept until the agent has it on disk. */
  send(message: WithoutSeq<SequencedMessage>): void {
    this.#transmit(this.#link.push(message as Omit<SequencedMessage, 'seq'>));
  }

  /** May be lost with the link. */
  sendHint(message: Exclude<OrchestratorMessage, SequencedMessage>): void {
    this.#connection?.send(message);
  }

  close(code: number, reason: string): void {
    this.#connection?.close(code, reason);
  }

  strike(what: string): void {
    this.#connection?.strike(what);
  }

  receive(message: AgentMessage): void {
    // An explicit table: a type that is not in it has no way to reach anything.
    switch (message.type) {
      case 'heartbeat':
        this.#traffic.heartbeat(this, message);
        return;
      case 'ack':
        this.#acknowledge(message.ack);
        return;
      case 'state':
        this.#sequenced(message, () => this.#traffic.state(this, message));
        return;
      case 'result':
        this.#sequenced(message, () => this.#traffic.result(this, message));
        return;
      case 'error':
        this.#traffic.reported(this, message);
        return;
      case 'audit_cosign':
        this.#traffic.cosigned(this, message);
        return;
      case 'trust_ack':
        this.#traffic.trusts(this, message);
        return;
      case 'hello':
        this.close(CLOSE.protocolError, 'hello came twice');
    }
  }

  receiveOutput(frame: OutputFrame): void {
    const size = frame.data.length;
    this.#outstanding += size;
    if (this.#outstanding > PAUSE_BYTES) this.#connection?.pause();
    this.#traffic.output(this, frame).then(
      () => {
        this.#outstanding -= size;
        if (this.#outstanding <= LINK_CREDIT_BYTES) this.#connection?.resume();
      },
      (cause: unknown) => this.#traffic.failed(this, cause),
    );
  }

  #sequenced(message: StateMessage | ResultMessage, handle: () => Promise<void>): void {
    if (message.ack !== undefined) this.#acknowledge(message.ack);
    const verdict = this.#link.receive(message.seq);
    if (verdict === 'gap') {
      this.close(CLOSE.protocolError, `a frame before seq ${message.seq} is missing`);
      return;
    }
    if (verdict === 'duplicate') {
      // Its acknowledgement may have been lost with the last link.
      this.#scheduleAck();
      return;
    }
    const entry = { seq: message.seq, durable: false };
    this.#pending.push(entry);
    if (this.#pending.length > MAX_PENDING) {
      this.close(CLOSE.overloaded, 'too much waits for the disk');
      return;
    }
    handle().then(
      () => {
        entry.durable = true;
        this.#advance();
      },
      (cause: unknown) => this.#traffic.failed(this, cause),
    );
  }

  /** Acknowledges up to the first frame that is not durable yet. */
  #advance(): void {
    let done = 0;
    while (this.#pending[done]?.durable === true) done += 1;
    if (done === 0) return;
    this.#link.markDurable(this.#pending[done - 1]?.seq ?? 0);
    this.#pending = this.#pending.slice(done);
    this.#scheduleAck();
  }

  #scheduleAck(): void {
    if (this.#ackDue) return;
    this.#ackDue = true;
    // One acknowledgement covers all that became durable together, and none is needed if a frame carries it.
    setImmediate(() => {
      if (!this.#ackDue) return;
      this.#ackDue = false;
      this.sendHint({ type: 'ack', ack: this.#link.durableSeq });
    });
  }

  #acknowledge(seq: number): void {
    this.#freed(this.#link.acknowledged(seq));
  }

  #freed(frames: readonly SequencedMessage[]): void {
    if (frames.length > 0) this.#traffic.freed(this, frames);
  }

  #transmit(frame: SequencedMessage): void {
    if (!this.isOnline) return;
    this.#ackDue = false;
    this.#connection?.send({ ...frame, ack: this.#link.durableSeq });
  }
}
