import { createConnection, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { AUDIT_FEATURE } from '../../protocol/audit-witness.ts';
import type { Stream } from '../../protocol/command.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  EXECUTOR_PROTOCOL,
  type ExecutorEnd,
  type FromExecutor,
  fromExecutorSchema,
  type SignedCommand,
  type StartMessage,
  type ToExecutor,
} from '../../protocol/executor.ts';
import { decodeOutputFrame } from '../../protocol/output-frame.ts';
import { TRUST_FEATURE } from '../../protocol/trust-update.ts';
import { FrameReader, writeJsonFrame } from './frames.ts';

/** How a call ended, and when, by the executor's word. */
export interface RemoteEnd {
  end: ExecutorEnd;
  startedAtMs: number | undefined;
  endedAtMs: number | undefined;
  attestation: Extract<ReturnType<typeof fromExecutorSchema.parse>, { type: 'ended' }>['attestation'];
}

export interface RemoteCall {
  id: string;
  /** To be started; without it the executor is asked for what it started before. */
  start?: Omit<StartMessage, 'type' | 'id'>;
  /** Bytes that are here already. */
  offsets?: Record<Stream, number>;
  /** Takes output; a promise holds back what comes after it. */
  output(stream: Stream, bytes: Buffer): void | Promise<void>;
  /** Whether the executor may be asked again after its connection broke: what is bound to a connection is gone then. */
  survives: boolean;
}

interface Open {
  call: RemoteCall;
  received: Record<Stream, number>;
  pending: Promise<void>;
  settle(end: RemoteEnd): void;
  fail(error: AppError): void;
}

type AuditAsk = Omit<Extract<ToExecutor, { type: 'audit' }>, 'type' | 'n'>;
type AuditAnswer = Extract<FromExecutor, { type: 'audit' }>;

const RECONNECT_MS = 500;
const LOST: RemoteEnd = {
  end: { kind: 'lost', reason: 'agent_lost' },
  startedAtMs: undefined,
  endedAtMs: undefined,
  attestation: undefined,
};

/** The daemon's side of the executor's socket: one connection, kept, with all calls on it. */
export class ExecutorClient {
  readonly #options: ExecutorClientOptions;
  readonly #open = new Map<string, Open>();
  #connecting: Promise<Socket> | undefined;
  #closed = false;
  /** What the executor at the other end says that it can. */
  #features: readonly string[] = [];
  readonly #audits = new Map<number, (answer: AuditAnswer | undefined) => void>();
  readonly #trusts = new Map<number, (refused: string | undefined) => void>();
  #asked = 0;

  constructor(options: ExecutorClientOptions) {
    this.#options = options;
  }

  /** Connects ahead of need, so that the first command does not wait for the executor's start. */
  warm(): void {
    this.#options.onCondition(true, 'starting');
    this.#connection().catch(() => undefined);
  }

  /**
   * Runs a call to its end. @throws AppError as the executor refused it, or `unavailable` when it cannot be reached.
   */
  async call(call: RemoteCall): Promise<RemoteEnd> {
    // What was never asked for has not begun: only then a missing executor is an answer.
    const socket = call.start === undefined ? undefined : await this.#connection();
    return new Promise<RemoteEnd>((settle, fail) => {
      const received = { stdout: call.offsets?.stdout ?? 0, stderr: call.offsets?.stderr ?? 0 };
      const open = { call, received, pending: Promise.resolve(), settle, fail };
      this.#open.set(call.id, open);
      if (socket === undefined) void this.#attach(open);
      else writeJsonFrame(socket, { type: 'start', id: call.id, ...call.start });
    });
  }

  stop(id: string, cause: Extract<ToExecutor, { type: 'stop' }>['cause']): void {
    this.#tell({ type: 'stop', id, cause });
  }
  signal(id: string, signal: string): void {
    this.#tell({ type: 'signal', id, signal });
  }
  input(message: Omit<Extract<ToExecutor, { type: 'input' }>, 'type'>): void {
    this.#tell({ type: 'input', ...message });
  }
  /** Input, a size or a signal for a terminal. */
  control(id: string, signed: SignedCommand): void {
    this.#tell({ type: 'control', id, signed });
  }
  /** Output and result are on this side's disk. */
  forget(id: string): void {
    this.#tell({ type: 'forget', id });
  }

  /** Asks for the executor's part in the audit logs; undefined when it is an older one, or went away. */
  async audit(ask: AuditAsk): Promise<AuditAnswer | undefined> {
    const socket = await this.#connection();
    if (!this.#features.includes(AUDIT_FEATURE)) return undefined;
    const n = ++this.#asked;
    return new Promise((resolve) => {
      this.#audits.set(n, resolve);
      writeJsonFrame(socket, { type: 'audit', n, ...ask });
    });
  }

  /**
   * Has the executor replace the pins of roots, which are root's. Resolves with why it did not.
   */
  async trust(statement: Envelope): Promise<string | undefined> {
    const socket = await this.#connection();
    if (!this.#features.includes(TRUST_FEATURE)) return 'the executor is of an older version';
    const n = ++this.#asked;
    return new Promise((resolve) => {
      this.#trusts.set(n, resolve);
      writeJsonFrame(socket, { type: 'trust', n, statement });
    });
  }

  close(): void {
    this.#closed = true;
    this.#connecting?.then(
      (socket) => socket.destroy(),
      () => undefined,
    );
  }

  #tell(message: ToExecutor): void {
    this.#connection().then(
      (socket) => writeJsonFrame(socket, message),
      () => undefined,
    );
  }

  #connection(): Promise<Socket> {
    this.#connecting ??= this.#connect().catch((cause: unknown) => {
      this.#connecting = undefined;
      throw cause;
    });
    return this.#connecting;
  }

  #connect(): Promise<Socket> {
    const { path, version, onCondition } = this.#options;
    return new Promise((resolve, reject) => {
      const reader = new FrameReader();
      const socket = createConnection(path);
      socket.once('connect', () =>
        writeJsonFrame(socket, { type: 'hello', protocol: EXECUTOR_PROTOCOL, version }),
      );
      socket.on('data', (chunk: Buffer) => {
        try {
          for (const frame of reader.push(chunk))
            if (frame.kind === 'output') this.#onOutput(socket, frame.bytes);
            else if (this.#onMessage(frame.value)) {
              onCondition(true, 'connected');
              resolve(socket);
            }
        } catch (cause) {
          socket.destroy(cause as Error);
        }
      });
      let failure: Error | undefined;
      socket.on('error', (cause) => {
        failure = cause;
      });
      socket.on('close', () => {
        const why = failure?.message ?? 'it closed the connection';
        if (!this.#closed) onCondition(false, `the executor cannot be reached: ${why}`);
        reject(
          new AppError('unavailable', {
            detail: `The privileged executor cannot be reached: ${why}.`,
            hint: 'See: systemctl status vm-agent-exec.socket; vm-agent diagnose',
            ...(failure === undefined ? {} : { cause: failure }),
          }),
        );
        this.#connecting = undefined;
        for (const answer of this.#audits.values()) answer(undefined);
        this.#audits.clear();
        for (const answer of this.#trusts.values()) answer('the executor went away');
        this.#trusts.clear();
        if (!this.#closed) this.#reattach();
      });
    });
  }

  /** What is bound to the connection has ended with it; for the rest another executor is asked. */
  #reattach(): void {
    for (const [id, open] of this.#open) {
      if (open.call.survives) continue;
      this.#open.delete(id);
      open.settle(LOST);
    }
    for (const open of this.#open.values()) void this.#attach(open);
  }

  /** Asks for a command that was started before, until there is somebody to ask. */
  async #attach(open: Open): Promise<void> {
    const { clock, log } = this.#options;
    const { id } = open.call;
    while (!this.#closed && this.#open.get(id) === open) {
      try {
        writeJsonFrame(await this.#connection(), { type: 'attach', id, offsets: open.received });
        return;
      } catch (cause) {
        log.warn({ err: cause, id }, 'the executor is asked again');
        await clock.sleep(RECONNECT_MS);
      }
    }
  }

  /** @returns whether it was the greeting. */
  #onMessage(value: unknown): boolean {
    const parsed = fromExecutorSchema.safeParse(value);
    if (!parsed.success) return false;
    const message = parsed.data;
    if (message.type === 'ready') {
      this.#features = message.features ?? [];
      return true;
    }
    if (message.type === 'audit') {
      this.#audits.get(message.n)?.(message);
      this.#audits.delete(message.n);
      return false;
    }
    if (message.type === 'trust') {
      this.#trusts.get(message.n)?.(message.refused);
      this.#trusts.delete(message.n);
      return false;
    }
    const open = this.#open.get(message.id);
    if (open === undefined) return false;
    this.#open.delete(message.id);
    if (message.type === 'refused') {
      const { code, message: detail, hint } = message;
      open.fail(new AppError(code, { detail, ...(hint === undefined ? {} : { hint }) }));
    } else
      open.pending.then(() =>
        open.settle({
          end: message.end,
          startedAtMs: message.started_at_ms,
          endedAtMs: message.ended_at_ms,
          attestation: message.attestation,
        }),
      );
    return false;
  }

  #onOutput(socket: Socket, bytes: Buffer): void {
    const decoded = decodeOutputFrame(bytes);
    if (decoded.kind !== 'ok') return;
    const { command_id: id, stream, offset, data } = decoded.frame;
    const open = this.#open.get(id);
    if (open === undefined) return;
    const end = offset + data.length;
    // After a new connection the executor may repeat what came on the old one.
    const known = open.received[stream] - offset;
    if (known >= data.length) return;
    if (known < 0) throw new Error(`output of ${id} is missing before ${offset}`);
    open.received[stream] = end;
    const acknowledge = () => {
      if (!socket.destroyed) writeJsonFrame(socket, { type: 'ack', id, stream, offset: end });
    };
    const fresh = data.subarray(known);
    const pending = open.call.output(stream, Buffer.from(fresh.buffer, fresh.byteOffset, fresh.byteLength));
    if (pending === undefined) acknowledge();
    else open.pending = Promise.all([open.pending, pending]).then(acknowledge, acknowledge);
  }
}

export interface ExecutorClientOptions {
  /** The executor's socket. */
  path: string;
  version: string;
  clock: Clock;
  log: Logger;
  onCondition(ok: boolean, detail: string): void;
}
