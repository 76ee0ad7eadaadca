import { once } from 'node:events';
import type { ConnectionOptions } from 'node:tls';
import { WebSocket } from 'ws';
import {
  type CommandPayload,
  type CommandResult,
  commandPayloadSchema,
  type Stream,
} from '../../protocol/command.ts';
import type { CommandId, SessionId } from '../../protocol/ids.ts';
import type { AgentMessage, Hello, OrchestratorMessage, Welcome } from '../../protocol/messages.ts';
import { parseOrchestratorMessage } from '../../protocol/messages.ts';
import { encodeOutputFrame } from '../../protocol/output-frame.ts';
import { SessionLink } from '../../protocol/session.ts';
import { COMMAND_CREDIT_BYTES, OUTPUT_CHUNK_BYTES, SUBPROTOCOL } from '../../protocol/version.ts';
import { fakeHello } from './facts.ts';

type Sequenced = Extract<AgentMessage, { seq: number }>;

export interface FakeAgentOptions {
  /** `wss://…` or `ws://…`, the whole address. */
  url: string;
  tls?: ConnectionOptions;
  headers?: Record<string, string>;
  subprotocols?: string[];
  /** Answers every command by itself: accepted, running, this output, this result. */
  autoRun?: (payload: CommandPayload) => { stdout?: Uint8Array; stderr?: Uint8Array; exitCode?: number };
  /** Of the machine's journal on disk, which outlives each of its fakes. */
  mark?: { seq: number };
  /** Answers no ping: as if the link were dead. */
  deaf?: boolean;
  /** Acknowledges what it gets at once; default true. */
  autoAck?: boolean;
}

const NOW = '2026-01-01T00:00:00.000Z';

/** An agent that does what a test tells it, over a real WebSocket. It keeps a journal in memory, as a real one does on disk. */
export class FakeAgent {
  readonly received: OrchestratorMessage[] = [];
  readonly commands: CommandPayload[] = [];
  readonly cancels: CommandId[] = [];
  /** Highest durable offset that was acknowledged, by `<command>.<stream>`. */
  readonly acked = new Map<string, number>();
  link = new SessionLink<Sequenced>();
  sessionId: SessionId | undefined;
  inFlight: Hello['in_flight'] = [];
  commandSeq = 0;
  #options: FakeAgentOptions;
  #socket: WebSocket | undefined;
  #waiters = new Set<() => void>();

  constructor(options: FakeAgentOptions) {
    this.#options = options;
    this.commandSeq = options.mark?.seq ?? 0;
  }

  get url(): string {
    return this.#options.url;
  }

  /** Connects, says hello and waits for the welcome. */
  async connect(hello: Partial<Hello> = {}): Promise<Welcome> {
    const count = this.received.length;
    await this.open();
    this.sendRaw(JSON.stringify(this.hello(hello)));
    return this.next('welcome', count);
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** Reads nothing any more; what it sends still goes out. */
  deafen(): void {
    this.#socket?.pause();
  }

  /** Resolves when what was sent is out, or the link is gone. */
  async flushed(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || this.#isClosed) return;
    await new Promise<void>((resolve) => {
      socket.send(JSON.stringify({ type: 'ack', ack: 0 }), () => resolve());
    });
  }

  get #isClosed(): boolean {
    return this.#socket === undefined || this.#socket.readyState >= this.#socket.CLOSING;
  }

  /** At once: the frames that follow belong to the session that it names. */
  #onWelcome(welcome: Welcome): void {
    this.sessionId = welcome.session_id;
    if (!welcome.resumed) this.link.reset();
    else for (const frame of this.link.resume(welcome.recv_seq)) this.sendRaw(JSON.stringify(frame));
  }

  hello(over: Partial<Hello> = {}): Hello {
    return {
      type: 'hello',
      protocol_min: 1,
      protocol_max: 1,
      ...fakeHello({ in_flight: this.inFlight, command_seq: this.commandSeq }),
      clock: NOW,
      ...(this.sessionId === undefined ? {} : { session_id: this.sessionId }),
      recv_seq: this.link.recvSeq,
      ...over,
    };
  }

  /** The WebSocket alone. Rejects with the HTTP status when the upgrade is refused. */
  async open(): Promise<void> {
    const socket = new WebSocket(this.#options.url, this.#options.subprotocols ?? [SUBPROTOCOL], {
      perMessageDeflate: false,
      autoPong: this.#options.deaf !== true,
      headers: this.#options.headers ?? {},
      ...this.#options.tls,
    });
    socket.on('message', (data, isBinary) => !isBinary && this.#onText((data as Buffer).toString('utf8')));
    socket.on('close', () => this.#wake());
    await once(socket, 'open');
    socket.on('error', () => undefined);
    this.#socket = socket;
  }

  /** Resolves with the close code and reason. */
  async closed(): Promise<{ code: number; reason: string }> {
    const socket = this.#socket;
    if (socket === undefined) throw new Error('the fake agent was never connected');
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    return { code, reason: reason.toString('utf8') };
  }

  /** The link breaks without a goodbye. */
  async drop(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === socket.CLOSED) return;
    const gone = once(socket, 'close');
    socket.terminate();
    await gone;
  }

  sendRaw(data: string | Uint8Array): void {
    this.#socket?.send(data);
  }
  sendState(commandId: CommandId, state: 'accepted' | 'running'): void {
    this.#push({ type: 'state', command_id: commandId, state, at: NOW });
  }
  sendResult(commandId: CommandId, result: Partial<CommandResult> = {}): void {
    this.#push({
      type: 'result',
      command_id: commandId,
      result: { state: 'succeeded', reason: 'exit', exit_code: 0, started_at: NOW, ended_at: NOW, ...result },
    });
  }
  sendOutput(commandId: CommandId, stream: Stream, offset: number, data: Uint8Array): void {
    this.sendRaw(encodeOutputFrame({ command_id: commandId, stream, offset, at_ms: 0, data }));
  }

  /** Sends a whole stream as an agent does: in chunks, at most the credit ahead of what is acknowledged. */
  async sendStream(commandId: CommandId, stream: Stream, data: Uint8Array): Promise<void> {
    const acked = () => this.acked.get(`${commandId}.${stream}`) ?? 0;
    for (let offset = 0; offset < data.length; offset += OUTPUT_CHUNK_BYTES) {
      await this.until(() => offset + OUTPUT_CHUNK_BYTES - acked() <= COMMAND_CREDIT_BYTES);
      this.sendOutput(commandId, stream, offset, data.subarray(offset, offset + OUTPUT_CHUNK_BYTES));
    }
  }

  /** Waits for something that only a frame or a close can bring. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        this.#waiters.delete(check);
        resolve();
      };
      this.#waiters.add(check);
    });
  }

  /** The first message of a type at or after an index of `received`. */
  async next<T extends OrchestratorMessage['type']>(
    type: T,
    from = 0,
  ): Promise<Extract<OrchestratorMessage, { type: T }>> {
    const find = () => this.received.slice(from).find((message) => message.type === type);
    await this.until(() => find() !== undefined || this.#isClosed);
    const found = find();
    if (found === undefined) throw new Error(`the link was closed before a ${type} came`);
    return found as Extract<OrchestratorMessage, { type: T }>;
  }

  /** The payload of the `count`th command. */
  async command(count = 1): Promise<CommandPayload> {
    await this.until(() => this.commands.length >= count);
    return this.commands[count - 1] as CommandPayload;
  }

  #push(body: { type: 'state' | 'result' } & Record<string, unknown>): void {
    const frame = this.link.push(body as unknown as Omit<Sequenced, 'seq'>);
    this.sendRaw(JSON.stringify(frame));
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #onText(text: string): void {
    const parsed = parseOrchestratorMessage(text);
    if (parsed.kind !== 'ok') throw new Error(`the orchestrator sent ${text}`);
    const { message } = parsed;
    this.received.push(message);
    if (message.type === 'welcome') this.#onWelcome(message);
    if ('seq' in message) this.#onSequenced(message);
    if (message.type === 'ack') this.link.acknowledged(message.ack);
    if (message.type === 'output_ack')
      this.acked.set(`${message.command_id}.${message.stream}`, message.durable_offset);
    this.#wake();
  }

  #onSequenced(message: Extract<OrchestratorMessage, { seq: number }>): void {
    if (message.ack !== undefined) this.link.acknowledged(message.ack);
    const verdict = this.link.receive(message.seq);
    if (verdict === 'gap') throw new Error(`frame ${message.seq} came too early`);
    this.link.markDurable(message.seq);
    if (verdict === 'deliver') {
      if (message.type === 'cancel') this.cancels.push(message.command_id);
      else this.#onCommand(message.envelope.payload);
    }
    if (this.#options.autoAck ?? true)
      this.sendRaw(JSON.stringify({ type: 'ack', ack: this.link.durableSeq }));
  }

  #onCommand(base64: string): void {
    const payload = commandPayloadSchema.parse(JSON.parse(Buffer.from(base64, 'base64').toString('utf8')));
    this.commands.push(payload);
    this.commandSeq = Math.max(this.commandSeq, payload.seq);
    if (this.#options.mark) this.#options.mark.seq = this.commandSeq;
    const { autoRun } = this.#options;
    if (autoRun === undefined) return;
    const { stdout, stderr, exitCode = 0 } = autoRun(payload);
    const id = payload.command_id;
    const summary = (data: Uint8Array) => ({ size: data.length, head: '', tail: '', omitted: data.length });
    this.sendState(id, 'accepted');
    this.sendState(id, 'running');
    if (stdout) this.sendOutput(id, 'stdout', 0, stdout);
    if (stderr) this.sendOutput(id, 'stderr', 0, stderr);
    this.sendResult(id, {
      state: exitCode === 0 ? 'succeeded' : 'failed',
      exit_code: exitCode,
      ...(stdout ? { stdout: summary(stdout) } : {}),
      ...(stderr ? { stderr: summary(stderr) } : {}),
    });
  }
}
