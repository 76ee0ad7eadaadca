import { isoTime } from '../../base/clock.ts';
import type { AgentId, CommandId, OrganizationId } from '../../protocol/ids.ts';
import {
  after,
  type InputPosition,
  MAX_INPUT_BYTES,
  type TerminalInput,
  type TerminalSize,
} from '../../protocol/terminal.ts';
import type { CommandSigner } from '../ca/command-keys.ts';
import type { AgentSession, SequencedMessage } from '../hub/agent-session.ts';

type Sent = { type: TerminalInput['type']; command_id: CommandId } & ReturnType<CommandSigner['signInput']>;

interface InputLineOptions {
  organizationId: OrganizationId;
  agentId: AgentId;
  commandId: CommandId;
  now(): number;
  session(): AgentSession | undefined;
}

/** Input that may be on its way; a client that pastes more waits. */
export const MAX_PENDING_BYTES = 256 * 1024;

/** What goes to one terminal: numbered, signed, and kept until the agent has it, so that a broken link loses nothing. */
export class InputLine {
  readonly #options: InputLineOptions;
  #signer: CommandSigner;
  #position: InputPosition = { n: 0, offset: 0 };
  #pending: { message: Sent; bytes: number }[] = [];
  /** Asked for before the command ran. */
  #early: (() => void)[] | undefined = [];
  /** Told when there is room again. */
  onRoom: () => void = () => undefined;

  constructor(options: InputLineOptions & { signer: CommandSigner }) {
    this.#options = options;
    this.#signer = options.signer;
  }

  useSigner(signer: CommandSigner): void {
    this.#signer = signer;
  }

  get full(): boolean {
    return this.#pending.reduce((sum, { bytes }) => sum + bytes, 0) > MAX_PENDING_BYTES;
  }

  /** The command runs: what waited for it goes out. */
  started(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const send of early) send();
  }

  type(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += MAX_INPUT_BYTES) {
      const piece = bytes.subarray(at, at + MAX_INPUT_BYTES);
      const { offset } = this.#position;
      this.#send(piece.length, { type: 'input', stream: 'stdin', offset, data: piece.toString('base64') });
    }
  }

  resize(size: TerminalSize): void {
    this.#send(0, { type: 'resize', rows: size.rows, cols: size.cols });
  }

  /** The agent has handed these on. */
  freed(frames: readonly SequencedMessage[]): void {
    const wasFull = this.full;
    const gone = new Set(frames.flatMap((frame) => ('envelope' in frame ? [frame.envelope] : [])));
    this.#pending = this.#pending.filter(({ message }) => !gone.has(message.envelope));
    if (wasFull && !this.full) this.onRoom();
  }

  /** A session that knows nothing of the last one: what may be missing is said again. */
  again(): void {
    for (const { message } of this.#pending) this.#options.session()?.send(message);
  }

  #send(
    bytes: number,
    body:
      | { type: 'input'; stream: 'stdin'; offset: number; data: string }
      | ({ type: 'resize' } & TerminalSize),
  ): void {
    const { organizationId, agentId, commandId, now, session } = this.#options;
    this.#position = after(this.#position, bytes);
    const { n } = this.#position;
    const sealed = this.#signer.signInput({
      org_id: organizationId,
      agent_id: agentId,
      command_id: commandId,
      n,
      issued_at: isoTime(now()),
      ...body,
    });
    const message: Sent = { type: body.type, command_id: commandId, ...sealed };
    const go = () => {
      this.#pending.push({ message, bytes });
      session()?.send(message);
    };
    if (this.#early === undefined) go();
    else this.#early.push(go);
  }
}
