import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { ClientCredentials } from '../../base/tls-client.ts';
import type { LoadSample } from '../../protocol/facts.ts';
import type { Transport } from '../../protocol/rest-fleet.ts';
import { CLOSE } from '../../protocol/version.ts';
import type { ProxySettings } from '../identity/proxy.ts';
import { type Closed, Connection, type FrameSocket } from './connection.ts';
import { dial } from './dial.ts';
import { explainFailure, isRefusal } from './failure.ts';
import { Heartbeat } from './heartbeat.ts';
import { LongPollSocket } from './long-poll.ts';
import { pollClient } from './poll-request.ts';
import { afterConnection, FRESH, nextDelay, type ReconnectState } from './reconnect.ts';
import { type HelloBody, Session, type SessionHandlers, type SessionOptions } from './session.ts';
import { afterPoll, afterWebSocket, trialDelay, type WayState, WEBSOCKET_FIRST } from './transport.ts';

export interface ChannelOptions {
  clock: Clock;
  random: Random;
  log: Logger;
  url: string;
  /** Asked for each connection, so that a renewed certificate is used from the next one on. */
  credentials(): ClientCredentials;
  /** Told of each connection how the orchestrator took what it showed. */
  onTaken?(shown: ClientCredentials, how: 'welcomed' | 'refused'): void;
  identity: { agentId: string; organizationId: string };
  hello(): HelloBody;
  auditHead?: SessionOptions['auditHead'];
  handlers: SessionHandlers;
  sampleLoad(): Promise<LoadSample>;
  /** Seconds; read whenever they are needed. */
  timing(): {
    /** Between heartbeats, as this machine asks for it; the shorter of this and the orchestrator's holds. */
    heartbeat_interval: number;
    /** Between polls that bring nothing. */
    command_poll_interval: number;
    /** The longest time between two trials of a WebSocket beside polls. */
    websocket_retry_interval: number;
  };
  /** Told whenever it changes, with a sentence for people. */
  onStatus(connected: boolean, detail: string, transport?: Transport): void;
  /** A connection is over, or could not be made. */
  onEnd?(closed: Closed): void;
  /** A way to connect; the real one unless a test brings its own. */
  dial?: (url: string, credentials: ClientCredentials, proxy?: ProxySettings) => FrameSocket;
  proxy?: ProxySettings | undefined;
}

const GOODBYE_MS = 2000;

/** Keeps one conversation with the orchestrator going over as many connections as it takes. */
export class Channel {
  readonly session: Session;
  readonly #options: ChannelOptions;
  readonly #heartbeat: Heartbeat;
  readonly #stop = new AbortController();
  readonly #connections = new Map<Connection, ClientCredentials>();
  /** What the orchestrator took last. */
  #welcomed: ClientCredentials | undefined;
  #openSince = 0;
  #heartbeatAsked = 0;
  #way: WayState = WEBSOCKET_FIRST;
  #trial: Timer | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.session = new Session({
      clock: options.clock,
      log: options.log,
      hello: options.hello,
      auditHead: options.auditHead,
      identity: options.identity,
      handlers: {
        ...options.handlers,
        onWelcome: (welcome, connection) => {
          this.#openSince = options.clock.monotonic();
          this.#heartbeatAsked = welcome.heartbeat_interval;
          this.adjustHeartbeat();
          this.#onTaken(connection, 'welcomed');
          const { transport } = connection;
          const { why = 'WebSockets are blocked' } = this.#way;
          const how = transport === 'poll' ? ` by long polling, since WebSockets do not pass: ${why}` : '';
          options.onStatus(true, `connected to ${options.url}${how}`, transport);
          options.log.info(
            {
              session_id: welcome.session_id,
              resumed: welcome.resumed,
              epoch: welcome.session_epoch,
              transport,
            },
            `connected to the orchestrator${how}`,
          );
          this.#planTrial(connection);
          options.handlers.onWelcome(welcome, connection);
        },
      },
    });
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      sample: options.sampleLoad,
      send: (load) => this.session.sendHeartbeat(load),
    });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /**
   * Connects again beside the present connection, with the present credentials; the session moves over and the old
   * connection closes. When that fails the old one stays.
   */
  async reconnect(): Promise<boolean> {
    const connection = this.#open(this.session.connection?.transport ?? this.#way.next);
    return Promise.race([connection.opened.then(() => true), connection.closed.then(() => false)]);
  }

  /** Follows a changed `heartbeat_interval` on the connection that stands. */
  adjustHeartbeat(): void {
    if (this.session.connection === undefined) return;
    const own = this.#options.timing().heartbeat_interval;
    this.#heartbeat.start(Math.min(own, this.#heartbeatAsked));
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the agent stops'));
    this.#heartbeat.stop();
    this.#trial?.cancel();
    const open = [...this.#connections.keys()];
    for (const connection of open) connection.close(CLOSE.goingAway, 'the agent stops');
    const all = Promise.all(open.map((connection) => connection.closed));
    const patience = new AbortController();
    await Promise.race([all, this.#options.clock.sleep(GOODBYE_MS, patience.signal).catch(() => undefined)]);
    patience.abort();
    for (const connection of this.#connections.keys()) connection.cut(new Error('the agent stops'));
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, random, log, url, onStatus } = this.#options;
    const { signal } = this.#stop;
    let state: ReconnectState = FRESH;
    while (!signal.aborted) {
      const delay = nextDelay(state, random);
      if (delay > 0) log.info({ in_ms: Math.round(delay), failures: state.failures }, 'connecting again');
      await clock.sleep(delay, signal).catch(() => undefined);
      if (signal.aborted) return;
      // A renewal may have connected while this waited.
      let connection = this.session.connection ?? this.#open(this.#way.next);
      let closed = await connection.closed;
      // A renewal, or a trial, may have moved the session to another connection meanwhile.
      for (let next = this.session.connection; next !== undefined; next = this.session.connection) {
        connection = next;
        closed = await next.closed;
      }
      if (signal.aborted) return;
      this.#trial?.cancel();
      const openFor = closed.wasOpen ? clock.monotonic() - this.#openSince : 0;
      state = afterConnection(state, closed, openFor);
      const before = connection.transport;
      this.#way =
        before === 'poll' ? afterPoll(this.#way, closed) : afterWebSocket(this.#way, closed, openFor);
      // Another way is tried at once, unless the orchestrator itself asked for patience.
      if (before === 'websocket' && this.#way.next === 'poll' && state.retryAfterMs === undefined)
        state = { ...state, retryAfterMs: 0 };
      this.#heartbeat.stop();
      const why = explainFailure(closed);
      this.#options.onEnd?.(closed);
      onStatus(
        false,
        closed.wasOpen ? `the connection was lost: ${why}` : `cannot connect to ${url}: ${why}`,
      );
      log.warn(
        { url, close_code: closed.code, err: closed.error },
        closed.wasOpen
          ? `the connection to the orchestrator was lost: ${why}`
          : `cannot connect to the orchestrator: ${why}`,
      );
    }
  }

  /** Beside polls that work, a WebSocket is tried from time to time; the session moves over when frames pass. */
  #planTrial(polling: Connection): void {
    this.#trial?.cancel();
    if (polling.transport !== 'poll') return;
    const { clock, random, log, timing } = this.#options;
    const delay = trialDelay(this.#way.trials, timing().websocket_retry_interval, random);
    const again = () => {
      this.#way = { ...this.#way, trials: this.#way.trials + 1 };
      if (this.session.connection !== polling) return;
      const trial = this.#open('websocket', true);
      trial.closed.then((closed) => {
        if (closed.wasOpen || this.session.connection !== polling) return;
        log.debug({ err: closed.error }, 'a WebSocket still does not work; polling goes on');
        this.#planTrial(polling);
      });
    };
    this.#trial = clock.setTimer(delay, again, { background: true });
  }

  #open(transport: Transport, echoFirst = false): Connection {
    const shown = this.#options.credentials();
    const connection: Connection = new Connection({
      // A link of polls outlives the pair that it began with: what was welcomed since counts for its next request.
      socket:
        transport === 'poll'
          ? this.#poll(() => (connection.state === 'open' ? (this.#welcomed ?? shown) : shown))
          : this.#dial(shown),
      transport,
      echoFirst,
      clock: this.#options.clock,
      events: {
        onOpen: (self) => this.session.greet(self),
        onText: (self, text) => this.session.receive(self, text),
      },
    });
    this.#connections.set(connection, shown);
    connection.closed.then((closed) => {
      if (isRefusal(closed)) this.#onTaken(connection, 'refused');
      this.#connections.delete(connection);
    });
    return connection;
  }

  #onTaken(connection: Connection, how: 'welcomed' | 'refused'): void {
    const shown = this.#connections.get(connection);
    if (shown === undefined) return;
    if (how === 'welcomed') this.#welcomed = shown;
    this.#options.onTaken?.(shown, how);
  }

  #dial(shown: ClientCredentials): FrameSocket {
    const { url, proxy } = this.#options;
    return (this.#options.dial ?? dial)(url, shown, proxy);
  }

  #poll(credentials: () => ClientCredentials): FrameSocket {
    const { url, proxy, clock, random, timing } = this.#options;
    const client = pollClient({ websocketUrl: url, credentials, proxy, clock });
    return new LongPollSocket({ client, clock, random, interval: () => timing().command_poll_interval });
  }
}
