import type { Actor } from '../../protocol/command.ts';
import type { AgentId, CommandId, JobId, OrganizationId, TerminalId, VmId } from '../../protocol/ids.ts';
import type { OutputFrame } from '../../protocol/output-frame.ts';
import type { TerminalSize } from '../../protocol/terminal.ts';
import { CLIENT_WINDOW_BYTES, TERMINAL_CLOSE } from '../../protocol/terminal-codes.ts';
import type { EndReason, TerminalServerMessage } from '../../protocol/terminal-socket.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import type { InputLine } from './input-line.ts';
import type { Recorder } from './recording-files.ts';
import { ScreenBuffer } from './screen-buffer.ts';

/** Whoever sits at a terminal. */
export interface TerminalClient {
  send(message: TerminalServerMessage): void;
  output(bytes: Buffer): void;
  /** It is given no more input until `resume`. */
  pause(): void;
  resume(): void;
  close(code: number, reason: string): void;
}

export interface TerminalFacts {
  organizationId: OrganizationId;
  id: TerminalId;
  commandId: CommandId;
  jobId: JobId;
  agentId: AgentId;
  vmId: VmId;
  actor: Actor;
  address: string | null;
  command: string | null;
  openedAtMs: number;
}

export interface TerminalEnd {
  reason: EndReason;
  exitCode: number | null;
  signal: string | null;
  message: string;
}

/** What somebody who comes back is shown (bytes). */
const KEPT_BYTES = 256 * 1024;

/**
 * One terminal: its output goes to the recording and to whoever sits at it, and is acknowledged to the agent when both
 * have it. So a slow reader slows the terminal, as at every terminal, and what was shown has been recorded.
 */
export class LiveTerminal {
  readonly facts: TerminalFacts;
  readonly input: InputLine;
  readonly recorder: Recorder;
  /** Its command waits until other people have let it go. */
  awaitsApproval = false;
  /** Since when nobody sits here, or the agent is away (by the monotonic clock). */
  abandonedSince: number | undefined;
  offlineSince: number | undefined;
  /** Bytes typed, for the audit log: their number alone. */
  typedBytes = 0;
  readonly #screen = new ScreenBuffer(KEPT_BYTES);
  readonly #onFailure: (cause: unknown) => void;
  #size: TerminalSize;
  #client: TerminalClient | undefined;
  #session: AgentSession | undefined;
  #shown = 0;
  #acknowledged = 0;
  #running = false;
  #ended = false;
  #complete: { size: number; resolve: () => void } | undefined;

  constructor(options: {
    facts: TerminalFacts;
    size: TerminalSize;
    input: InputLine;
    recorder: Recorder;
    /** The recording cannot be written. */
    onFailure(cause: unknown): void;
  }) {
    this.facts = options.facts;
    this.input = options.input;
    this.recorder = options.recorder;
    this.#size = options.size;
    this.#onFailure = options.onFailure;
    this.input.onRoom = () => this.#client?.resume();
  }

  get ended(): boolean {
    return this.#ended;
  }
  get attached(): boolean {
    return this.#client !== undefined;
  }

  /** Somebody sits down; whoever sat here before gets up. `offset`: output that this client has already. */
  attach(client: TerminalClient, offset: number | undefined): void {
    this.#client?.close(TERMINAL_CLOSE.attachedElsewhere, 'the terminal was opened elsewhere');
    const { id, vmId } = this.facts;
    const kept = this.#screen.from(offset ?? -1);
    this.#client = client;
    this.#shown = kept.offset;
    this.abandonedSince = undefined;
    client.send({
      type: 'opened',
      id,
      vm_id: vmId,
      offset: kept.offset,
      ...this.#size,
      recorded: true,
    });
    if (kept.bytes.length > 0) client.output(kept.bytes);
    if (this.#running) client.send({ type: 'started' });
    else if (this.awaitsApproval) client.send({ type: 'awaiting_approval' });
    if (this.offlineSince !== undefined) client.send({ type: 'link', online: false });
  }

  detach(client: TerminalClient, now: number): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.abandonedSince = now;
    this.#settle();
  }

  started(): void {
    if (this.#running) return;
    this.#running = true;
    this.awaitsApproval = false;
    this.input.started();
    this.#client?.send({ type: 'started' });
  }

  type(bytes: Buffer): void {
    if (this.#ended) return;
    this.typedBytes += bytes.length;
    this.input.type(bytes);
    if (this.input.full) this.#client?.pause();
  }

  resize(size: TerminalSize): void {
    if (this.#ended || (size.rows === this.#size.rows && size.cols === this.#size.cols)) return;
    this.#size = size;
    this.recorder.resize(size);
    this.input.resize(size);
  }

  /** The client has shown everything before `offset`. */
  shown(offset: number): void {
    if (offset <= this.#shown || offset > this.#screen.end) return;
    this.#shown = offset;
    this.#settle();
  }

  output(session: AgentSession, frame: OutputFrame): void {
    this.#session = session;
    if (frame.stream !== 'stdout') return;
    const { end } = this.#screen;
    const known = end - frame.offset;
    if (known < 0 || known >= frame.data.length) {
      // A gap, or what came before: the agent is told what is here.
      this.#tell(this.#acknowledged);
      return;
    }
    const bytes = Buffer.from(frame.data.subarray(known));
    this.#screen.push(bytes);
    if (!this.#ended) {
      this.recorder.output(bytes);
      this.#client?.output(bytes);
    }
    this.#settle();
  }

  link(online: boolean, now: number): void {
    if (online === (this.offlineSince === undefined)) return;
    this.offlineSince = online ? undefined : now;
    this.#client?.send({ type: 'link', online });
  }

  /** Resolves when all of the output has come. */
  complete(size: number): Promise<void> {
    if (this.#ended || this.#screen.end >= size) return Promise.resolve();
    return new Promise((resolve) => {
      this.#complete = { size, resolve };
    });
  }

  /** Its end, told once. */
  end(end: TerminalEnd): void {
    this.#ended = true;
    this.#complete?.resolve();
    const client = this.#client;
    this.#client = undefined;
    client?.send({
      type: 'ended',
      reason: end.reason,
      exit_code: end.exitCode,
      signal: end.signal,
      message: end.message,
    });
    client?.close(TERMINAL_CLOSE.ended, end.reason);
    // Whatever still comes of it is taken, so that the agent may forget it.
    this.#tell(this.#screen.end);
  }

  #settle(): void {
    if (this.#complete !== undefined && this.#screen.end >= this.#complete.size) this.#complete.resolve();
    const upTo = this.#screen.end;
    const held = !this.#ended && this.#client !== undefined && upTo - this.#shown > CLIENT_WINDOW_BYTES;
    if (held) return;
    if (this.#ended) {
      this.#tell(upTo);
      return;
    }
    this.recorder.written().then(
      () => this.#tell(upTo),
      (cause: unknown) => this.#onFailure(cause),
    );
  }

  #tell(offset: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, offset);
    this.#session?.sendHint({
      type: 'output_ack',
      command_id: this.facts.commandId,
      stream: 'stdout',
      durable_offset: this.#acknowledged,
    });
  }
}
