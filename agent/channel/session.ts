import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { AgentHead } from '../../protocol/audit-witness.ts';
import type { CommandResult } from '../../protocol/command.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { SessionId } from '../../protocol/ids.ts';
import {
  type AgentMessage,
  type CommandMessage,
  type Hello,
  type InputMessage,
  type OrchestratorMessage,
  parseOrchestratorMessage,
  type Welcome,
} from '../../protocol/messages.ts';
import { SessionLink } from '../../protocol/session.ts';
import { CLOSE, PROTOCOL_MIN, PROTOCOL_VERSION } from '../../protocol/version.ts';
import type { Connection } from './connection.ts';

type Message<T extends OrchestratorMessage['type']> = Extract<OrchestratorMessage, { type: T }>;
type Sequenced = Extract<AgentMessage, { seq: number }>;

type WithoutSeq<M> = M extends Sequenced ? Omit<M, 'seq' | 'ack'> : never;
type Unnumbered = WithoutSeq<Sequenced>;

/** What the agent says of itself in `hello`; the session adds what is the session's. */
export type HelloBody = Omit<
  Hello,
  'type' | 'protocol_min' | 'protocol_max' | 'clock' | 'session_id' | 'recv_seq'
>;

/** The parts behind the channel. What handles a sequenced message has it on disk when it returns. */
export interface SessionHandlers {
  onCommand(message: CommandMessage): void;
  onCancel(message: Message<'cancel'>): void;
  /** Not kept on disk: a terminal ends with the daemon. */
  onInput(message: InputMessage): void;
  onOutputAck(message: Message<'output_ack'>): void;
  onCredit(message: Message<'credit'>): void;
  /** The orchestrator has these results on disk. */
  onResultsAcknowledged(commandIds: readonly string[]): void;
  /** After `welcome`. `resumed: false`: nothing of the earlier session counts, so everything open is said again. */
  onWelcome(welcome: Welcome, connection: Connection): void;
  /** The newest checkpoint of the orchestrator's audit log; its counter-signature of ours. */
  onAuditHead(message: Message<'audit_head'>): void;
  onAuditCosign(message: Message<'audit_cosign'>): void;
  /** Another set of roots; what becomes of it is answered later. */
  onTrustUpdate(message: Message<'trust_update'>): void;
}

export interface SessionOptions {
  clock: Clock;
  log: Logger;
  handlers: SessionHandlers;
  hello(): HelloBody;
  /** The head of the agent's own audit log; each heartbeat carries it. */
  auditHead?: (() => AgentHead | undefined) | undefined;
  identity: { agentId: string; organizationId: string };
}

/**
 * The conversation with the orchestrator. It outlives its connections: what was not acknowledged is sent again on
 * the next one, and a renewed certificate only changes the connection.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #link = new SessionLink<Sequenced>();
  readonly #dispatch: { [T in OrchestratorMessage['type']]: (message: Message<T>, from: Connection) => void };
  #id: SessionId | undefined;
  #connection: Connection | undefined;
  #ackSent = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { handlers, log } = options;
    // Every type that may be handled stands here; anything else is answered by an error and goes nowhere.
    this.#dispatch = {
      welcome: (message, from) => this.#onWelcome(message, from),
      command: (message) => handlers.onCommand(message),
      cancel: (message) => handlers.onCancel(message),
      input: (message) => handlers.onInput(message),
      resize: (message) => handlers.onInput(message),
      signal: (message) => handlers.onInput(message),
      ack: () => undefined,
      output_ack: (message) => handlers.onOutputAck(message),
      credit: (message) => handlers.onCredit(message),
      audit_head: (message) => handlers.onAuditHead(message),
      audit_cosign: (message) => handlers.onAuditCosign(message),
      trust_update: (message) => handlers.onTrustUpdate(message),
      goaway: (message, from) => {
        log.info(
          { reason: message.reason.slice(0, 500), retry_after: message.retry_after },
          'the orchestrator says goodbye',
        );
        from.retryAfter(message.retry_after);
        from.close(CLOSE.goingAway, 'goaway');
      },
      error: ({ code, message, ref }) =>
        log.warn(
          { code: code.slice(0, 64), ref: ref?.slice(0, 64) },
          `the orchestrator reports an error: ${message.slice(0, 500)}`,
        ),
    };
  }

  /** The connection that counts: the last one that was welcomed and is still open. */
  get connection(): Connection | undefined {
    return this.#connection?.state === 'open' ? this.#connection : undefined;
  }

  /** A connection stands: say hello. */
  greet(connection: Connection): void {
    const hello: Hello = {
      type: 'hello',
      protocol_min: PROTOCOL_MIN,
      protocol_max: PROTOCOL_VERSION,
      ...this.#options.hello(),
      clock: isoTime(this.#options.clock.now()),
      ...(this.#id === undefined ? {} : { session_id: this.#id }),
      recv_seq: this.#link.recvSeq,
    };
    connection.sendText(JSON.stringify(hello));
  }

  receive(connection: Connection, text: string): void {
    const parsed = parseOrchestratorMessage(text);
    if (parsed.kind === 'ok') this.#admit(connection, parsed.message);
    else if (parsed.kind === 'unknown')
      this.#complain(
        connection,
        'unsupported',
        `no message of type ${parsed.type.slice(0, 64)}`,
        parsed.type,
      );
    else {
      this.#complain(connection, 'bad_request', parsed.problem, parsed.type);
      // A sequenced frame that cannot be read would leave a gap.
      if (parsed.type === undefined || SEQUENCED.has(parsed.type))
        connection.close(CLOSE.protocolError, 'a message is not valid');
    }
  }

  sendState(commandId: string, state: 'accepted' | 'running', at: string): void {
    const command_id = commandId as Hello['in_flight'][number]['id'];
    this.#push({ type: 'state', command_id, state, at });
  }

  sendResult(commandId: string, result: CommandResult): void {
    const command_id = commandId as Hello['in_flight'][number]['id'];
    const waits = this.#link.unacked.some(
      (frame) => frame.type === 'result' && frame.command_id === command_id,
    );
    if (!waits) this.#push({ type: 'result', command_id, result });
  }

  sendHeartbeat(load: Extract<AgentMessage, { type: 'heartbeat' }>['load']): void {
    const audit_head = this.#options.auditHead?.();
    this.#send({
      type: 'heartbeat',
      at: isoTime(this.#options.clock.now()),
      load,
      ...(audit_head === undefined ? {} : { audit_head }),
    });
  }

  /** Says what became of a checkpoint. Only to an orchestrator that showed one. */
  sendAuditCosign(said: Omit<Extract<AgentMessage, { type: 'audit_cosign' }>, 'type'>): void {
    this.#send({ type: 'audit_cosign', ...said });
  }

  /** Says which set of roots is kept. */
  sendTrustAck(said: Omit<Extract<AgentMessage, { type: 'trust_ack' }>, 'type'>): void {
    this.#send({ type: 'trust_ack', ...said });
  }

  sendError(code: ErrorCode, message: string, ref: string | undefined): void {
    if (this.connection !== undefined) this.#complain(this.connection, code, message, ref);
  }

  /** Only the connection that counts may say anything; a new one may greet. */
  #admit(connection: Connection, message: OrchestratorMessage): void {
    const expected = connection === this.#connection ? connection.state === 'open' : isGreeting(message);
    if (expected) this.#handle(message, connection);
    else if (connection.state === 'greeting')
      connection.close(CLOSE.protocolError, `${message.type} before welcome`);
    // What an old connection still says after a newer one was welcomed comes again on that one.
  }

  #handle(message: OrchestratorMessage, connection: Connection): void {
    if ('ack' in message && message.ack !== undefined) this.#onAck(message.ack);
    if (!isSequenced(message)) {
      // A session that could not be taken up is begun again.
      if (!this.#try(message, connection) && message.type === 'welcome')
        connection.close(CLOSE.goingAway, 'the welcome could not be dealt with');
    } else {
      const order = this.#link.receive(message.seq);
      if (order === 'gap') connection.close(CLOSE.protocolError, `gap before seq ${message.seq}`);
      else if (order === 'duplicate') this.#acknowledge();
      else if (this.#try(message, connection)) {
        this.#link.markDurable(message.seq);
        // What is sent before the current work ends carries the acknowledgement; if nothing is, it goes alone.
        setImmediate(() => this.#acknowledge());
      } else {
        // It was not written down, so it must come again: in a new session, since this one has counted it.
        this.#id = undefined;
        connection.close(CLOSE.goingAway, 'a message could not be written down');
      }
    }
  }

  #try(message: OrchestratorMessage, connection: Connection): boolean {
    try {
      const handle = this.#dispatch[message.type] as (message: OrchestratorMessage, from: Connection) => void;
      handle(message, connection);
      return true;
    } catch (cause) {
      this.#options.log.error({ err: cause, type: message.type }, 'a message could not be handled');
      return false;
    }
  }

  #refuseWelcome(welcome: Welcome): { code: number; reason: string } | undefined {
    const { identity, log } = this.#options;
    if (welcome.agent_id !== identity.agentId || welcome.organization_id !== identity.organizationId) {
      log.error({ agent_id: welcome.agent_id }, 'the orchestrator takes this agent for another one');
      return { code: CLOSE.wrongAgent, reason: 'welcome names another agent' };
    }
    if (welcome.protocol < PROTOCOL_MIN || welcome.protocol > PROTOCOL_VERSION)
      return {
        code: CLOSE.unsupportedVersion,
        reason: `protocol ${welcome.protocol} is not spoken here`,
      };
    return undefined;
  }

  #onWelcome(welcome: Welcome, connection: Connection): void {
    const refusal = this.#refuseWelcome(welcome);
    if (refusal !== undefined) {
      connection.close(refusal.code, refusal.reason);
      return;
    }
    const previous = this.#connection;
    connection.welcomed();
    this.#connection = connection;
    const resumed = welcome.resumed && welcome.session_id === this.#id;
    this.#id = welcome.session_id;
    if (resumed) {
      this.#ackSent = 0;
      for (const frame of this.#link.resume(welcome.recv_seq)) this.#send(this.#withAck(frame));
      this.#acknowledge();
    } else {
      this.#link.reset();
      this.#ackSent = 0;
    }
    this.#options.handlers.onWelcome({ ...welcome, resumed }, connection);
    if (previous !== undefined && previous.state !== 'closed')
      previous.close(CLOSE.goingAway, 'replaced by a new connection');
  }

  #onAck(seq: number): void {
    const results = this.#link.acknowledged(seq).filter((frame) => frame.type === 'result');
    if (results.length > 0)
      this.#options.handlers.onResultsAcknowledged(results.map((frame) => frame.command_id));
  }

  /** Without a session nothing is kept: the next `welcome` has everything said again. */
  #push(body: Unnumbered): void {
    if (this.#id === undefined) return;
    this.#send(this.#withAck(this.#link.push(body as Omit<Sequenced, 'seq'>)));
  }

  #withAck(frame: Sequenced): Sequenced {
    return { ...frame, ack: this.#link.durableSeq };
  }

  #acknowledge(): void {
    const ack = this.#link.durableSeq;
    if (ack > this.#ackSent) this.#send({ type: 'ack', ack });
  }

  #send(message: AgentMessage): void {
    const sent = this.connection?.sendText(JSON.stringify(message)) ?? false;
    if (sent && 'ack' in message && message.ack !== undefined) this.#ackSent = message.ack;
  }

  #complain(to: Connection, code: ErrorCode, message: string, ref: string | undefined): void {
    to.answer(
      JSON.stringify({
        type: 'error',
        code,
        message,
        ...(ref === undefined ? {} : { ref: ref.slice(0, 64) }),
      }),
    );
  }
}

const SEQUENCED: ReadonlySet<string> = new Set<OrchestratorMessage['type']>([
  'command',
  'cancel',
  'input',
  'resize',
  'signal',
]);
const isSequenced = (
  message: OrchestratorMessage,
): message is Extract<OrchestratorMessage, { seq: number }> => SEQUENCED.has(message.type);

/** What may come on a connection that is not the one that counts. */
const isGreeting = ({ type }: OrchestratorMessage): boolean =>
  type === 'welcome' || type === 'goaway' || type === 'error';
