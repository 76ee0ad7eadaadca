import type { TerminalSize } from '../../../protocol/terminal.ts';
import { TERMINAL_CLOSE, TERMINAL_SUBPROTOCOL } from '../../../protocol/terminal-codes.ts';
import type { TerminalClientMessage, TerminalServerMessage } from '../../../protocol/terminal-socket.ts';

export type LineState = 'connecting' | 'open' | 'waiting' | 'lost' | 'ended' | 'elsewhere';

export interface LineEvents {
  size(): TerminalSize;
  /** Bytes to show; `done` when they are shown. `known`: they were shown before, to somebody. */
  output(bytes: Uint8Array, known: boolean, done: () => void): void;
  /** What comes next is the whole screen anew. */
  anew(): void;
  state(state: LineState, message: string): void;
  /** The terminal that it is, to come back to. */
  opened(id: string): void;
}

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const encoder = new TextEncoder();

/** The way to one terminal: it comes back when the link breaks, and goes on where it was. */
export class TerminalLine {
  readonly #url: string;
  readonly #events: LineEvents;
  #socket: WebSocket | undefined;
  #id: string | undefined;
  #offset = 0;
  #shown = 0;
  #failures = 0;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Bytes before this are those that somebody was shown already. */
  #knownUntil = 0;

  constructor(options: { org: string; agent: string; attach: string | undefined; events: LineEvents }) {
    const path = `/api/v1/organizations/${options.org}/agents/${options.agent}/terminal`;
    this.#url = `wss://${location.host}${path}`;
    this.#events = options.events;
    this.#id = options.attach;
    this.#connect();
  }

  type(text: string): void {
    // What cannot be sent now would come as a surprise later.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encoder.encode(text));
  }
  resize(size: TerminalSize): void {
    this.#say({ type: 'resize', ...size });
  }
  /** Ends the terminal. */
  end(): void {
    this.#say({ type: 'close' });
  }
  /** Leaves it, to come back or not. */
  leave(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #say(message: TerminalClientMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #connect(): void {
    const socket = new WebSocket(this.#url, TERMINAL_SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    let welcomed = false;
    socket.onopen = () => {
      const size = this.#events.size();
      const id = this.#id as Extract<TerminalClientMessage, { type: 'attach' }>['id'] | undefined;
      const offset = this.#offset === 0 ? {} : { offset: this.#offset };
      this.#say(id === undefined ? { type: 'open', ...size } : { type: 'attach', id, ...size, ...offset });
    };
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data !== 'string') return this.#show(new Uint8Array(data));
      const message = JSON.parse(data) as TerminalServerMessage;
      if (message.type === 'opened') welcomed = true;
      this.#take(message);
    };
    socket.onclose = ({ code }) => this.#closed(code, welcomed);
  }

  #take(message: TerminalServerMessage): void {
    switch (message.type) {
      case 'opened':
        this.#failures = 0;
        if (message.offset !== this.#offset) this.#events.anew();
        // The first time at a terminal that was there before: what comes at first was answered long ago.
        if (this.#id !== undefined && this.#offset === 0) this.#knownUntil = Number.POSITIVE_INFINITY;
        this.#id = message.id;
        this.#offset = message.offset;
        this.#shown = message.offset;
        this.#events.opened(message.id);
        this.#events.state('waiting', 'Starting…');
        break;
      case 'awaiting_approval':
        this.#events.state('waiting', 'Waits until other people have approved it…');
        break;
      case 'started':
        this.#knownUntil = this.#offset;
        this.#events.state('open', 'Connected');
        break;
      case 'link':
        if (message.online) this.#events.state('open', 'Connected');
        else
          this.#events.state('waiting', 'The machine cannot be reached just now; the terminal waits for it.');
        break;
      case 'ended': {
        this.#over = true;
        const code = message.exit_code === null ? '' : ` (exit code ${message.exit_code})`;
        this.#events.state('ended', `${message.message}${code}`);
        break;
      }
      case 'error':
        this.#refused(message);
        break;
      case 'resized':
        break;
    }
  }

  #refused({ code, message, hint }: Extract<TerminalServerMessage, { type: 'error' }>): void {
    if (code === 'not_found' && this.#id !== undefined && this.#offset === 0) {
      // The one that was left here has ended meanwhile.
      this.#id = undefined;
      return;
    }
    this.#over = true;
    this.#events.state('ended', hint === undefined ? message : `${message} ${hint}`);
  }

  #show(bytes: Uint8Array): void {
    this.#offset += bytes.length;
    const end = this.#offset;
    this.#events.output(bytes, end <= this.#knownUntil, () => {
      if (end <= this.#shown) return;
      this.#shown = end;
      this.#say({ type: 'ack', offset: end });
    });
  }

  #closed(code: number, welcomed: boolean): void {
    if (this.#over) return;
    if (code === TERMINAL_CLOSE.attachedElsewhere) {
      this.#over = true;
      this.#events.state('elsewhere', 'The terminal was opened in another window.');
      return;
    }
    const again = code === TERMINAL_CLOSE.refused && this.#id === undefined;
    const delay = again ? 0 : RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
    if (!welcomed && !again) this.#failures += 1;
    if (this.#failures > 20) {
      this.#over = true;
      this.#events.state('ended', 'The orchestrator cannot be reached.');
      return;
    }
    this.#events.state('lost', 'The link broke; connecting again…');
    this.#timer = setTimeout(() => this.#connect(), delay);
  }
}
