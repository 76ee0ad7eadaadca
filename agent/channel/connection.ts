import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { RawData } from 'ws';
import type { Clock, Timer } from '../../base/clock.ts';
import { every } from '../../base/clock.ts';
import type { AppError } from '../../protocol/errors.ts';
import { isOurProblem, problemToError } from '../../protocol/problem.ts';
import type { Transport } from '../../protocol/rest-fleet.ts';
import { CLOSE, DEAD_AFTER_MS, PING_INTERVAL_MS } from '../../protocol/version.ts';

/** `connecting` → `greeting` (hello is out) → `open` (welcome came) → `closed`. */
export type ConnectionState = 'connecting' | 'greeting' | 'open' | 'closed';

/** An HTTP answer where a WebSocket, or a batch of frames, was asked for. */
export interface Refusal {
  status: number;
  /** It is a problem document of an orchestrator, and not a proxy's page. */
  ours: boolean;
  error: AppError;
}

/** Why a connection is over. */
export interface Closed {
  /** It had been welcomed. */
  wasOpen: boolean;
  /** How far it came below that: TLS, then the WebSocket (or the first poll). */
  reached?: 'tls' | 'upgrade' | undefined;
  refusal?: Refusal | undefined;
  code: number | undefined;
  reason: string;
  error: Error | undefined;
  /** The server's wish, seconds. */
  retryAfterS: number | undefined;
}

export interface ConnectionEvents {
  /** The WebSocket stands: `hello` may go out. */
  onOpen(connection: Connection): void;
  onText(connection: Connection, text: string): void;
}

/** What is needed of a WebSocket; a link made of polls has the same. */
export interface FrameSocket {
  on(event: 'upgrade', listener: (response: IncomingMessage) => void): unknown;
  on(
    event: 'unexpected-response',
    listener: (request: ClientRequest, response: IncomingMessage) => void,
  ): unknown;
  on(event: 'open' | 'ping' | 'pong', listener: () => void): unknown;
  on(event: 'message', listener: (data: RawData, isBinary: boolean) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): unknown;
  /** Of our own: TLS stands. */
  on(event: 'secured', listener: () => void): unknown;
  /** Of our own: an HTTP answer came instead of frames. */
  on(event: 'refused', listener: (answer: HttpAnswer) => void): unknown;
  send(text: string): void;
  send(frame: string | Uint8Array, options: { binary: boolean }, done: (error?: Error) => void): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

/** An HTTP answer, read. */
export interface HttpAnswer {
  status: number;
  text: string;
  retryAfter: string | undefined;
}

const WELCOME_MS = 15_000;
/** What came since the last look may have come right after it: a dead link is known within twice this and {@link DEAD_AFTER_MS}. */
const CHECK_MS = 2000;
/** Answers to what was not understood that may wait to be written: who reads nothing is not answered for ever. */
const MAX_WAITING_ANSWERS = 1024;
const MAX_PROBLEM_BYTES = 16 * 1024;

/** One connection over a WebSocket, or over what stands for it, from dialling to its end. It knows when it is dead, not what is said on it. */
export class Connection {
  readonly #socket: FrameSocket;
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  readonly #timers: Timer[] = [];
  readonly closed: Promise<Closed>;
  /** Resolves when `welcome` came, if it ever does. */
  readonly opened: Promise<void>;
  #state: ConnectionState = 'connecting';
  #wasOpen = false;
  #finish: (closed: Closed) => void = () => undefined;
  #welcome: () => void = () => undefined;
  #raw: Socket | undefined;
  #lastBytes = 0;
  #lastHeard = 0;
  #waitingAnswers = 0;
  #error: Error | undefined;
  #retryAfterS: number | undefined;
  #greeted = false;
  #reached: Closed['reached'];
  #refusal: Refusal | undefined;
  readonly transport: Transport;
  readonly #echoFirst: boolean;

  /** `echoFirst`: nothing is said before a ping has come back, so that a way that passes no frames costs nothing. */
  constructor(options: {
    socket: FrameSocket;
    transport?: Transport;
    echoFirst?: boolean;
    clock: Clock;
    events: ConnectionEvents;
  }) {
    this.#socket = options.socket;
    this.transport = options.transport ?? 'websocket';
    this.#echoFirst = options.echoFirst ?? false;
    this.#clock = options.clock;
    this.#events = options.events;
    this.closed = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.opened = new Promise((resolve) => {
      this.#welcome = resolve;
    });
    this.#listen();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** `welcome` came: pings begin. */
  welcomed(): void {
    this.#state = 'open';
    this.#wasOpen = true;
    this.#welcome();
    this.#timers.push(every(this.#clock, PING_INTERVAL_MS, () => this.#socket.ping()));
  }

  sendText(text: string): boolean {
    if (this.#state !== 'greeting' && this.#state !== 'open') return false;
    this.#socket.send(text);
    return true;
  }

  /** For answers to what was not understood, which the other end can ask for any number of. */
  answer(text: string): void {
    if (this.#state !== 'greeting' && this.#state !== 'open') return;
    this.#waitingAnswers += 1;
    if (this.#waitingAnswers <= MAX_WAITING_ANSWERS)
      this.#socket.send(text, { binary: false }, () => {
        this.#waitingAnswers -= 1;
      });
    else this.cut(new Error('the orchestrator does not read what it is answered'));
  }

  /** `done` is always called, also when the connection breaks. */
  sendBinary(frame: Uint8Array, done: (error?: Error) => void): void {
    this.#socket.send(frame, { binary: true }, done);
  }

  retryAfter(seconds: number | undefined): void {
    this.#retryAfterS = seconds;
  }

  /** Closes in order; a peer that does not answer is cut off by the WebSocket library. */
  close(code: number, reason: string): void {
    if (this.#state === 'closed') return;
    this.#socket.close(code, reason.slice(0, 120));
  }

  /** Cuts the connection at once. */
  cut(error: Error): void {
    this.#error ??= error;
    this.#socket.terminate();
  }

  #listen(): void {
    const socket = this.#socket;
    this.#lastHeard = this.#clock.monotonic();
    socket.on('upgrade', (response: IncomingMessage) => {
      this.#raw = response.socket;
    });
    socket.on('secured', () => {
      this.#reached ??= 'tls';
    });
    socket.on('unexpected-response', (_request, response: IncomingMessage) => this.#refused(response));
    socket.on('refused', (answer: HttpAnswer) => this.#refusedWith(answer));
    socket.on('open', () => {
      this.#state = 'greeting';
      this.#reached = 'upgrade';
      this.#heard();
      this.#timers.push(
        this.#clock.setTimer(WELCOME_MS, () => {
          if (this.#state === 'greeting') this.cut(new Error('the orchestrator sent no welcome'));
        }),
        every(this.#clock, CHECK_MS, () => this.#checkSilence()),
      );
      if (this.#echoFirst) this.#socket.ping();
      else this.#greet();
    });
    socket.on('ping', () => this.#heard());
    socket.on('pong', () => {
      this.#heard();
      if (this.#echoFirst) this.#greet();
    });
    socket.on('message', (data: RawData, isBinary: boolean) => {
      this.#heard();
      if (isBinary) return this.close(CLOSE.protocolError, 'agents take no binary frames');
      this.#guarded(() => this.#events.onText(this, data.toString()));
    });
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('close', (code, reason) => {
      this.#state = 'closed';
      for (const timer of this.#timers.splice(0)) timer.cancel();
      this.#finish({
        wasOpen: this.#wasOpen,
        code,
        reason: reason.toString(),
        error: this.#error,
        retryAfterS: this.#retryAfterS,
        reached: this.#reached,
        refusal: this.#refusal,
      });
    });
  }

  #greet(): void {
    if (this.#greeted || this.#state !== 'greeting') return;
    this.#greeted = true;
    this.#guarded(() => this.#events.onOpen(this));
  }

  /** What fails in answering costs the connection, never the process: a new one begins with a clean slate. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (cause) {
      this.cut(cause instanceof Error ? cause : new Error(String(cause)));
    }
  }

  #heard(): void {
    this.#lastHeard = this.#clock.monotonic();
  }

  /** Any bytes count, also those of a large frame that is still on its way. */
  #checkSilence(): void {
    const bytes = this.#raw?.bytesRead ?? 0;
    if (bytes !== this.#lastBytes) {
      this.#lastBytes = bytes;
      this.#heard();
    }
    const silence = this.#clock.monotonic() - this.#lastHeard;
    if (silence > DEAD_AFTER_MS)
      this.cut(new Error(`nothing was heard from the orchestrator for ${Math.round(silence / 1000)} s`));
  }

  /** The upgrade was answered by something else than 101: a problem document says why. */
  #refused(response: IncomingMessage): void {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (piece: string) => {
      text += piece;
      if (text.length > MAX_PROBLEM_BYTES) response.destroy();
    });
    response.once('close', () =>
      this.#refusedWith({
        status: response.statusCode ?? 0,
        text,
        retryAfter: response.headers['retry-after'],
      }),
    );
  }

  #refusedWith({ status, text, retryAfter }: HttpAnswer): void {
    const wait = Number(retryAfter);
    if (Number.isFinite(wait)) this.#retryAfterS = wait;
    const problem = parseProblem(text);
    const error = problemToError(status, problem);
    this.#refusal = { status, ours: isOurProblem(problem), error };
    this.cut(error);
  }
}

function parseProblem(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
