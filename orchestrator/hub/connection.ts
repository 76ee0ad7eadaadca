import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { type Clock, every, type Timer } from '../../base/clock.ts';
import type { AgentMessage, OrchestratorMessage } from '../../protocol/messages.ts';
import { parseAgentMessage } from '../../protocol/messages.ts';
import { decodeOutputFrame, type OutputFrame } from '../../protocol/output-frame.ts';
import { CLOSE, DEAD_AFTER_MS, PING_INTERVAL_MS } from '../../protocol/version.ts';

/** How often the silence of a link is measured: it is seen as dead between 25 and 30 s. */
const CHECK_INTERVAL_MS = PING_INTERVAL_MS / 2;
/** Messages that this end sends, or that mean nothing here, until the peer is taken for a rogue. */
const MAX_STRIKES = 3;
/** Types that only an orchestrator sends: no agent of any version does. */
const OURS: ReadonlySet<string> = new Set<OrchestratorMessage['type']>([
  'welcome',
  'command',
  'cancel',
  'input',
  'resize',
  'signal',
  'output_ack',
  'credit',
  'goaway',
  'audit_head',
  'trust_update',
]);

export interface ConnectionEvents {
  message(message: AgentMessage): void;
  output(frame: OutputFrame): void;
  closed(code: number, reason: string): void;
}

export interface ConnectionOptions {
  webSocket: WebSocket;
  /** Below the WebSocket: whatever comes through it shows that the link lives. */
  socket: Duplex & { readonly bytesRead?: number };
  clock: Clock;
}

/** One WebSocket of an agent: frames in and out, and whether the link is alive. It knows nothing of their order. */
export class Connection {
  readonly #webSocket: WebSocket;
  readonly #socket: ConnectionOptions['socket'];
  readonly #clock: Clock;
  #events: ConnectionEvents | undefined;
  #watch: Timer | undefined;
  #lastBytes = 0;
  #lastHeard: number;
  #strikes = 0;
  #closing = false;

  constructor(options: ConnectionOptions) {
    this.#webSocket = options.webSocket;
    this.#socket = options.socket;
    this.#clock = options.clock;
    this.#lastHeard = options.clock.monotonic();
  }

  get isOpen(): boolean {
    return !this.#closing && this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  /** Begins to hand on what comes; also used to hand it to somebody else from now on. */
  listen(events: ConnectionEvents): void {
    const first = this.#events === undefined;
    this.#events = events;
    if (!first) return;
    this.#webSocket.on('message', (data, isBinary) => this.#onFrame(data, isBinary));
    this.#webSocket.on('close', (code, reason) => this.#onClose(code, reason.toString('utf8')));
    // The library closes the socket with the fitting code itself; `close` follows.
    this.#webSocket.on('error', () => undefined);
    let checks = 0;
    this.#watch = every(this.#clock, CHECK_INTERVAL_MS, () => this.#check(++checks));
  }

  send(message: OrchestratorMessage): void {
    if (this.isOpen) this.#webSocket.send(JSON.stringify(message));
  }

  /** Stops reading until `resume`: the peer is ahead of the disk. */
  pause(): void {
    if (this.isOpen && !this.#webSocket.isPaused) this.#webSocket.pause();
  }
  resume(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  /** Counts something that an honest agent does not do; the third closes the connection. */
  strike(what: string): void {
    this.#strikes += 1;
    this.send({ type: 'error', code: 'forbidden', message: what });
    if (this.#strikes >= MAX_STRIKES) this.close(CLOSE.protocolError, what);
  }

  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    // A paused socket would never read the peer's answer.
    this.resume();
    this.#webSocket.close(code, reason.slice(0, 120));
    // Nothing that comes after this decision counts any more.
    this.#finish(code, reason);
  }

  #finish(code: number, reason: string): void {
    this.#watch?.cancel();
    this.#watch = undefined;
    const events = this.#events;
    this.#events = { message: () => undefined, output: () => undefined, closed: () => undefined };
    events?.closed(code, reason);
  }

  #onClose(code: number, reason: string): void {
    this.#closing = true;
    this.#finish(code, reason);
  }

  #check(count: number): void {
    const now = this.#clock.monotonic();
    const bytes = this.#socket.bytesRead ?? 0;
    if (bytes !== this.#lastBytes || this.#webSocket.isPaused) this.#lastHeard = now;
    this.#lastBytes = bytes;
    if (now - this.#lastHeard >= DEAD_AFTER_MS) {
      this.close(CLOSE.deadLink, 'nothing was heard for too long');
      // There is nobody to answer a close frame.
      this.#webSocket.terminate();
    } else if (count % 2 === 0 && this.isOpen) this.#webSocket.ping();
  }

  #onFrame(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer;
    if (isBinary) {
      this.#onBinary(bytes);
      return;
    }
    const parsed = parseAgentMessage(bytes.toString('utf8'));
    switch (parsed.kind) {
      case 'ok':
        this.#events?.message(parsed.message);
        return;
      case 'unknown':
        if (OURS.has(parsed.type)) this.strike(`only an orchestrator sends ${parsed.type}`);
        // A newer agent may know more; it learns that this end does not.
        else
          this.send({
            type: 'error',
            code: 'unknown_type',
            message: 'this type is not known here',
            ref: parsed.type.slice(0, 64),
          });
        return;
      case 'invalid':
        this.send({
          type: 'error',
          code: 'bad_request',
          message: parsed.problem,
          ...(parsed.type === undefined ? {} : { ref: parsed.type }),
        });
        this.close(CLOSE.protocolError, `invalid ${parsed.type ?? 'frame'}`);
    }
  }

  #onBinary(bytes: Buffer): void {
    const decoded = decodeOutputFrame(bytes);
    if (decoded.kind === 'ok') this.#events?.output(decoded.frame);
    else if (decoded.kind === 'invalid')
      this.close(CLOSE.protocolError, `invalid output frame: ${decoded.problem}`);
  }
}
