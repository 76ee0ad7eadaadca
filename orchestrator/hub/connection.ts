import type { RawData } from 'ws';
import { type Clock, every, type Timer } from '../../base/clock.ts';
import type { AgentMessage, OrchestratorMessage } from '../../protocol/messages.ts';
import { parseAgentMessage } from '../../protocol/messages.ts';
import { decodeOutputFrame, type OutputFrame } from '../../protocol/output-frame.ts';
import { CLOSE, DEAD_AFTER_MS, PING_INTERVAL_MS } from '../../protocol/version.ts';

/** How often the silence of a link is measured: it is seen as dead between 25 and 30 s. */
const CHECK_INTERVAL_MS = PING_INTERVAL_MS / 2;
/** How long a peer may take to answer when it is asked whether it lives, and how often that is looked at. */
const ANSWER_MS = 3000;
const LOOK_MS = 100;
/** Messages that this end sends, or that mean nothing here, until the peer is taken for a rogue. */
const MAX_STRIKES = 3;
/** Answers to what was not understood that may wait to be written: who reads nothing is not answered for ever. */
const MAX_WAITING_ANSWERS = 1024;
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

/** What is needed of a WebSocket; a link made of polls has the same. */
export interface FrameSocket {
  readonly readyState: number;
  readonly OPEN: number;
  readonly isPaused: boolean;
  on(event: 'message', listener: (data: RawData, isBinary: boolean) => void): unknown;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** `done`: it is on its way, or lost with the link. */
  send(text: string, done?: () => void): void;
  ping(): void;
  pause(): void;
  resume(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

export interface ConnectionOptions {
  webSocket: FrameSocket;
  /** Below the WebSocket: whatever comes through it shows that the link lives. */
  socket: object & { readonly bytesRead?: number };
  clock: Clock;
}

/** One WebSocket of an agent, or what stands for it: frames in and out, and whether the link is alive. It knows nothing of their order. */
export class Connection {
  readonly #webSocket: FrameSocket;
  readonly #socket: ConnectionOptions['socket'];
  readonly #clock: Clock;
  #events: ConnectionEvents | undefined;
  #watch: Timer | undefined;
  #lastBytes = 0;
  #lastHeard: number;
  #strikes = 0;
  #waitingAnswers = 0;
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

  /**
   * Whether the peer says anything within a moment of being asked, and stays. A socket that is half open says nothing;
   * one that is being closed says its last word, and is closed by the end of the moment.
   */
  async answers(clock: Clock): Promise<boolean> {
    if (!this.isOpen) return false;
    const before = this.#socket.bytesRead ?? 0;
    this.#webSocket.ping();
    let heard = 0;
    for (let waited = 0; waited < ANSWER_MS && this.isOpen && heard < 3; waited += LOOK_MS) {
      await clock.sleep(LOOK_MS);
      if ((this.#socket.bytesRead ?? 0) !== before) heard += 1;
    }
    return this.isOpen && heard > 0;
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
    this.#answer({ type: 'error', code: 'forbidden', message: what });
    if (this.#strikes >= MAX_STRIKES) this.close(CLOSE.protocolError, what);
  }

  /** An agent could ask for any number of these, and each is kept until it reads them. */
  #answer(message: Extract<OrchestratorMessage, { type: 'error' }>): void {
    if (!this.isOpen) return;
    this.#waitingAnswers += 1;
    if (this.#waitingAnswers <= MAX_WAITING_ANSWERS)
      this.#webSocket.send(JSON.stringify(message), () => {
        this.#waitingAnswers -= 1;
      });
    else {
      this.close(CLOSE.overloaded, 'what is answered is not read');
      this.#webSocket.terminate();
    }
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
          this.#answer({
            type: 'error',
            code: 'unknown_type',
            message: 'this type is not known here',
            ref: parsed.type.slice(0, 64),
          });
        return;
      case 'invalid':
        this.#answer({
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
