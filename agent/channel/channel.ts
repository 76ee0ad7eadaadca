import type { WebSocket } from 'ws';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { ClientCredentials } from '../../base/tls-client.ts';
import type { LoadSample } from '../../protocol/facts.ts';
import { CLOSE } from '../../protocol/version.ts';
import type { ProxySettings } from '../identity/proxy.ts';
import { type Closed, Connection } from './connection.ts';
import { dial } from './dial.ts';
import { explainFailure } from './failure.ts';
import { Heartbeat } from './heartbeat.ts';
import { afterConnection, FRESH, nextDelay, type ReconnectState } from './reconnect.ts';
import { type HelloBody, Session, type SessionHandlers, type SessionOptions } from './session.ts';

export interface ChannelOptions {
  clock: Clock;
  random: Random;
  log: Logger;
  url: string;
  /** Asked for each connection, so that a renewed certificate is used from the next one on. */
  credentials(): ClientCredentials;
  identity: { agentId: string; organizationId: string };
  hello(): HelloBody;
  auditHead?: SessionOptions['auditHead'];
  handlers: SessionHandlers;
  sampleLoad(): Promise<LoadSample>;
  /** Seconds between heartbeats that this machine asks for; the shorter of this and the orchestrator's holds. */
  heartbeatInterval?(): number;
  /** Told whenever it changes, with a sentence for people. */
  onStatus(connected: boolean, detail: string): void;
  /** A connection is over, or could not be made. */
  onEnd?(closed: Closed): void;
  /** A way to connect; the real one unless a test brings its own. */
  dial?: (url: string, credentials: ClientCredentials, proxy?: ProxySettings) => WebSocket;
  proxy?: ProxySettings | undefined;
}

const GOODBYE_MS = 2000;

/** Keeps one conversation with the orchestrator going over as many connections as it takes. */
export class Channel {
  readonly session: Session;
  readonly #options: ChannelOptions;
  readonly #heartbeat: Heartbeat;
  readonly #stop = new AbortController();
  readonly #connections = new Set<Connection>();
  #openSince = 0;
  #heartbeatAsked = 0;
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
          options.onStatus(true, `connected to ${options.url}`);
          options.log.info(
            { session_id: welcome.session_id, resumed: welcome.resumed, epoch: welcome.session_epoch },
            'connected to the orchestrator',
          );
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
    const connection = this.#open();
    return Promise.race([connection.opened.then(() => true), connection.closed.then(() => false)]);
  }

  /** Follows a changed `heartbeatInterval` on the connection that stands. */
  adjustHeartbeat(): void {
    if (this.session.connection === undefined) return;
    const own = this.#options.heartbeatInterval?.() ?? this.#heartbeatAsked;
    this.#heartbeat.start(Math.min(own, this.#heartbeatAsked));
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the agent stops'));
    this.#heartbeat.stop();
    const open = [...this.#connections];
    for (const connection of open) connection.close(CLOSE.goingAway, 'the agent stops');
    const all = Promise.all(open.map((connection) => connection.closed));
    const patience = new AbortController();
    await Promise.race([all, this.#options.clock.sleep(GOODBYE_MS, patience.signal).catch(() => undefined)]);
    patience.abort();
    for (const connection of this.#connections) connection.cut(new Error('the agent stops'));
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
      let closed = await this.#open().closed;
      // A renewal may have moved the session to another connection meanwhile.
      for (let next = this.session.connection; next !== undefined; next = this.session.connection)
        closed = await next.closed;
      if (signal.aborted) return;
      const openFor = closed.wasOpen ? clock.monotonic() - this.#openSince : 0;
      state = afterConnection(state, closed, openFor);
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

  #open(): Connection {
    const { clock, url } = this.#options;
    const socket = (this.#options.dial ?? dial)(url, this.#options.credentials(), this.#options.proxy);
    const connection = new Connection({
      socket,
      clock,
      events: {
        onOpen: (self) => this.session.greet(self),
        onText: (self, text) => this.session.receive(self, text),
      },
    });
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
    return connection;
  }
}
