import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { tlsServerOptions } from '../../base/tls-server.ts';
import type { CommandResult, Stream } from '../../protocol/command.ts';
import {
  type AgentMessage,
  type Hello,
  type OrchestratorMessage,
  parseAgentMessage,
} from '../../protocol/messages.ts';
import { decodeOutputFrame } from '../../protocol/output-frame.ts';
import { SessionLink } from '../../protocol/session.ts';
import { COMMAND_CREDIT_BYTES, LINK_CREDIT_BYTES, SUBPROTOCOL } from '../../protocol/version.ts';
import type { SignedCommand } from './command-signer.ts';
import type { Issued } from './test-ca.ts';

type Sequenced = Extract<OrchestratorMessage, { seq: number }>;
type Unnumbered = Sequenced extends infer M ? (M extends Sequenced ? Omit<M, 'seq' | 'ack'> : never) : never;

interface Received {
  chunks: Buffer[];
  size: number;
  frames: number;
}

export interface FakeOrchestratorOptions {
  certificate: Issued;
  ca: readonly string[];
  identity: { agentId: string; orgId: string };
  /** False: keeps sessions only as long as their connection, so each reconnect begins anew. */
  keepSessions?: boolean;
  /** False: output is counted, not kept. */
  keepOutput?: boolean;
  limits?: { command_credit: number; link_credit: number };
  heartbeatInterval?: number;
  /** Answers requests that are no upgrades, e.g. `POST …/renew`. */
  onRequest?: Parameters<typeof createServer>[1];
}

/**
 * A scripted orchestrator behind real TLS: it speaks the protocol well, keeps what it gets in memory, and does what
 * the test tells it besides (drop the link, hold acknowledgements back, send any frame).
 */
export class FakeOrchestrator {
  readonly hellos: Hello[] = [];
  /** Whether each hello found its session again. */
  readonly resumed: boolean[] = [];
  readonly messages: AgentMessage[] = [];
  readonly closes: number[] = [];
  readonly output = new Map<string, Record<Stream, Received>>();
  /** Results that count: their output is complete. */
  readonly results: { id: string; result: CommandResult }[] = [];
  connections = 0;
  /** While true nothing is acknowledged. */
  holdAcks = false;
  /** While true output is taken but not acknowledged. */
  holdOutputAcks = false;
  /** Called for each frame before it is handled; return false to lose it. */
  onFrame: (message: AgentMessage | 'output') => boolean = () => true;
  readonly #options: FakeOrchestratorOptions;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  #link = new SessionLink<Sequenced>();
  #sessionId = newId('ses', systemClock);
  #epoch = 0;
  #socket: WebSocket | undefined;
  #pending: { seq: number; id: string; result: CommandResult }[] = [];
  #watchers = new Set<() => void>();

  constructor(options: FakeOrchestratorOptions) {
    this.#options = options;
    const { certificate, key } = options.certificate;
    this.#server = createServer(
      tlsServerOptions({ cert: certificate, key, ca: options.ca }, { demand: 'handshake' }),
      options.onRequest,
    );
    this.#webSockets = new WebSocketServer({
      server: this.#server,
      perMessageDeflate: false,
      maxPayload: 1024 * 1024,
      handleProtocols: () => SUBPROTOCOL,
    });
    this.#webSockets.on('connection', (socket) => this.#accept(socket));
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  urlFor(vmId: string): string {
    return `wss://127.0.0.1:${this.port}/api/v1/agents/${vmId}/ws`;
  }

  async close(): Promise<void> {
    this.drop();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Resolves with the first truthy value of `look`, asked again whenever something comes. */
  until<T>(look: () => T | undefined | false): Promise<T> {
    return new Promise((resolve) => {
      const watch = () => {
        const found = look();
        if (found === undefined || found === false) return;
        this.#watchers.delete(watch);
        resolve(found);
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  /** Resolves when an agent has been welcomed for the `n`th time. */
  connected(n = 1): Promise<Hello> {
    return this.until(() => this.hellos.length >= n && this.hellos[n - 1]);
  }

  /** Resolves with a command's result once it is there. */
  async resultOf(id: string): Promise<CommandResult> {
    const found = await this.until(() => this.results.find((entry) => entry.id === id));
    return found.result;
  }

  outputOf(id: string, stream: Stream): Buffer {
    return Buffer.concat(this.output.get(id)?.[stream].chunks ?? []);
  }

  sizeOf(id: string, stream: Stream): number {
    return this.output.get(id)?.[stream].size ?? 0;
  }

  send(message: Unnumbered): void {
    const frame = this.#link.push(message as Omit<Sequenced, 'seq'>);
    this.sendRaw({ ...frame, ack: this.holdAcks ? 0 : this.#link.durableSeq });
  }

  sendCommand({ envelope, delegation }: SignedCommand): void {
    this.send({ type: 'command', envelope, delegation });
  }

  /** Sends a command and resolves with its result. */
  run(command: SignedCommand): Promise<CommandResult> {
    this.sendCommand(command);
    return this.resultOf(command.payload.command_id);
  }

  cancel(command: SignedCommand): void {
    this.send({ type: 'cancel', command_id: command.payload.command_id });
  }

  /** Bytes go out as a binary frame. */
  sendRaw(message: object | string | Uint8Array): void {
    if (this.#socket?.readyState !== 1) return;
    const asIs = typeof message === 'string' || message instanceof Uint8Array;
    this.#socket.send(asIs ? message : JSON.stringify(message));
  }

  /** Acknowledges everything that came, also what was held back. */
  acknowledge(): void {
    this.holdAcks = false;
    this.#ack();
  }

  acknowledgeOutput(id: string, stream: Stream, offset = this.sizeOf(id, stream)): void {
    this.sendRaw({ type: 'output_ack', command_id: id, stream, durable_offset: offset });
  }

  /** Breaks the connection without a word. */
  drop(): void {
    this.#socket?.terminate();
  }

  /** Stops reading, as a dead peer or a slow link does. */
  pause(): void {
    this.#socket?.pause();
  }
  resume(): void {
    this.#socket?.resume();
  }

  #accept(socket: WebSocket): void {
    this.connections += 1;
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.#onOutput(data);
      else this.#onText(socket, data.toString());
      this.#notify();
    });
    socket.on('close', (code) => {
      this.closes.push(code);
      this.#notify();
    });
    socket.on('error', () => undefined);
  }

  #notify(): void {
    for (const watch of [...this.#watchers]) watch();
  }

  #onText(socket: WebSocket, text: string): void {
    const parsed = parseAgentMessage(text);
    if (parsed.kind !== 'ok')
      throw new Error(`the agent sent ${text.slice(0, 200)}: ${JSON.stringify(parsed)}`);
    const { message } = parsed;
    if (!this.onFrame(message)) return;
    this.messages.push(message);
    if (message.type === 'hello') this.#welcome(socket, message);
    if ('ack' in message && message.ack !== undefined) this.#link.acknowledged(message.ack);
    if (message.type !== 'state' && message.type !== 'result') return;
    const order = this.#link.receive(message.seq);
    if (order === 'gap') throw new Error(`gap before ${message.seq}`);
    if (order === 'deliver' && message.type === 'result')
      this.#pending.push({ seq: message.seq, id: message.command_id, result: message.result });
    this.#ack();
  }

  /** A result counts, and is acknowledged, when all output that it names is here. */
  #settle(): number {
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      const { id, result, seq } = first;
      const complete = (['stdout', 'stderr'] as const).every(
        (stream) => this.sizeOf(id, stream) >= (result[stream]?.size ?? 0),
      );
      if (!complete) return seq - 1;
      this.#pending.shift();
      this.results.push({ id, result });
    }
    return this.#link.recvSeq;
  }

  #ack(): void {
    const durable = this.#settle();
    if (this.holdAcks) return;
    this.#link.markDurable(durable);
    this.sendRaw({ type: 'ack', ack: this.#link.durableSeq });
  }

  #welcome(socket: WebSocket, hello: Hello): void {
    const old = this.#socket;
    this.#socket = socket;
    const resumed = hello.session_id === this.#sessionId && this.#options.keepSessions !== false;
    if (!resumed) {
      this.#link = new SessionLink<Sequenced>();
      this.#pending = [];
      this.#sessionId = newId('ses', systemClock);
    }
    const limits = this.#options.limits ?? {
      command_credit: COMMAND_CREDIT_BYTES,
      link_credit: LINK_CREDIT_BYTES,
    };
    this.sendRaw({
      type: 'welcome',
      protocol: 1,
      agent_id: this.#options.identity.agentId,
      organization_id: this.#options.identity.orgId,
      session_id: this.#sessionId,
      resumed,
      session_epoch: ++this.#epoch,
      server_time: new Date().toISOString(),
      recv_seq: this.#link.recvSeq,
      limits: { frame: 1024 * 1024, ...limits },
      heartbeat_interval: this.#options.heartbeatInterval ?? 30,
    });
    if (resumed) for (const frame of this.#link.resume(hello.recv_seq)) this.sendRaw(frame);
    if (old !== undefined && old.readyState === 1) old.close(4004);
    this.resumed.push(resumed);
    this.hellos.push(hello);
  }

  #onOutput(data: Buffer): void {
    const decoded = decodeOutputFrame(data);
    if (decoded.kind !== 'ok') throw new Error(`bad output frame: ${JSON.stringify(decoded)}`);
    if (!this.onFrame('output')) return;
    const { command_id: id, stream, offset, data: payload } = decoded.frame;
    let both = this.output.get(id);
    if (both === undefined) {
      const none = (): Received => ({ chunks: [], size: 0, frames: 0 });
      both = { stdout: none(), stderr: none() };
      this.output.set(id, both);
    }
    const received = both[stream];
    received.frames += 1;
    // The agent believes that more is durable here than is: told so, it goes back.
    if (offset > received.size) {
      this.acknowledgeOutput(id, stream);
      return;
    }
    const fresh = payload.subarray(received.size - offset);
    if (this.#options.keepOutput !== false && fresh.length > 0) received.chunks.push(Buffer.from(fresh));
    received.size += fresh.length;
    if (!this.holdOutputAcks) this.acknowledgeOutput(id, stream);
    if (this.#pending.length > 0) this.#ack();
  }
}
