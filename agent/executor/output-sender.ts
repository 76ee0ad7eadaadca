import type { Clock } from '../../base/clock.ts';
import type { Stream } from '../../protocol/command.ts';
import { encodeOutputHeader } from '../../protocol/output-frame.ts';
import { COMMAND_CREDIT_BYTES, LINK_CREDIT_BYTES, OUTPUT_CHUNK_BYTES } from '../../protocol/version.ts';
import type { OutputSpool } from './output-spool.ts';

/** A link that takes binary frames. `done` is called when the bytes of `frame` are no longer needed. */
export interface OutputLink {
  send(frame: Uint8Array, done: (error?: Error) => void): void;
}

/** `delivered`: bytes of each stream that the peer surely holds. */
export type ReadFailure = (commandId: string, delivered: Record<Stream, number>, cause: unknown) => void;

interface Outgoing {
  spool: OutputSpool;
  sent: Record<Stream, number>;
  durable: Record<Stream, number>;
  /** Called once when everything has been sent; set when the command has ended. */
  onAllSent: (() => void) | undefined;
  /** Those who wait for less to be on its way. */
  waiting: (() => void)[];
}

/** Output of a paced command that may wait for the peer (bytes). */
const PACE_BYTES = 128 * 1024;

const STREAMS = ['stdout', 'stderr'] as const;
const HEADER_ROOM = 64;
// As many frames wait in the socket at once: few, so that a control frame written later is not far behind them.
const BUFFERS = 4;

/**
 * Sends spooled output within the credits of command and link, command by command in turn, out of a few buffers
 * that are used again: memory does not grow with the output. After a break it goes on from what is durable.
 */
export class OutputSender {
  readonly #clock: Clock;
  readonly #onReadFailure: ReadFailure;
  readonly #chunk: number;
  readonly #outgoing = new Map<string, Outgoing>();
  #free: Buffer[] = [];
  #buffers = 0;
  #link: OutputLink | undefined;
  #generation = 0;
  #inFlight = 0;
  #commandCredit = COMMAND_CREDIT_BYTES;
  #linkCredit = LINK_CREDIT_BYTES;
  #turn = 0;
  #pumping = false;

  constructor(options: {
    clock: Clock;
    onReadFailure: ReadFailure;
    chunkBytes?: number;
  }) {
    this.#clock = options.clock;
    this.#onReadFailure = options.onReadFailure;
    this.#chunk = options.chunkBytes ?? OUTPUT_CHUNK_BYTES;
  }

  /** A new link, or none. What the last one did not bring to the peer's disk is sent again. */
  setLink(link: OutputLink | undefined, credit?: { command: number; link: number }): void {
    this.#generation++;
    this.#inFlight = 0;
    for (const outgoing of this.#outgoing.values()) outgoing.sent = { ...outgoing.durable };
    this.#link = link;
    this.setCredit(credit ?? {});
  }

  setCredit(credit: { command?: number | undefined; link?: number | undefined }): void {
    this.#commandCredit = credit.command ?? this.#commandCredit;
    this.#linkCredit = credit.link ?? this.#linkCredit;
    this.pump();
  }

  add(spool: OutputSpool): void {
    this.#outgoing.set(spool.commandId, {
      spool,
      sent: { stdout: 0, stderr: 0 },
      durable: { stdout: 0, stderr: 0 },
      onAllSent: undefined,
      waiting: [],
    });
  }

  /** Undefined: more of this command's output may come now; else resolves when it may. */
  room(commandId: string): Promise<void> | undefined {
    const outgoing = this.#outgoing.get(commandId);
    if (outgoing === undefined || hasRoom(outgoing)) return undefined;
    return new Promise((resolve) => outgoing.waiting.push(resolve));
  }

  /** The command writes no more; `onAllSent` is called when its last byte has been handed to a link. */
  ended(commandId: string, onAllSent: () => void): void {
    const outgoing = this.#outgoing.get(commandId);
    if (outgoing === undefined) onAllSent();
    else {
      outgoing.onAllSent = onAllSent;
      this.pump();
    }
  }

  /** The peer holds everything before `offset`. Less than it said before: it lost some, so that is sent again. */
  acknowledged(commandId: string, stream: Stream, offset: number): void {
    const outgoing = this.#outgoing.get(commandId);
    if (outgoing === undefined || offset > outgoing.spool.size(stream)) return;
    const before = outgoing.sent[stream] - outgoing.durable[stream];
    if (offset < outgoing.durable[stream]) outgoing.sent[stream] = offset;
    outgoing.durable[stream] = offset;
    outgoing.sent[stream] = Math.max(outgoing.sent[stream], offset);
    this.#inFlight += outgoing.sent[stream] - offset - before;
    if (outgoing.waiting.length > 0 && hasRoom(outgoing)) for (const go of outgoing.waiting.splice(0)) go();
    this.pump();
  }

  /** The command's output is not needed any more. */
  remove(commandId: string): void {
    const outgoing = this.#outgoing.get(commandId);
    if (outgoing === undefined) return;
    for (const stream of STREAMS) this.#inFlight -= outgoing.sent[stream] - outgoing.durable[stream];
    this.#outgoing.delete(commandId);
    for (const go of outgoing.waiting.splice(0)) go();
    this.pump();
  }

  /** Sends what may be sent now. Called whenever there may be more: new bytes, new credit, a frame that went out. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#link !== undefined && this.#sendNext(this.#link));
    } finally {
      this.#pumping = false;
    }
  }

  #sendNext(link: OutputLink): boolean {
    const waiting = [...this.#outgoing.values()];
    for (let i = 0; i < waiting.length; i++) {
      const outgoing = waiting[(this.#turn + i) % waiting.length];
      if (outgoing === undefined) continue;
      const stream = STREAMS.find((name) => outgoing.sent[name] < outgoing.spool.size(name));
      if (stream === undefined) {
        const { onAllSent } = outgoing;
        if (onAllSent === undefined) continue;
        outgoing.onAllSent = undefined;
        outgoing.spool.release();
        onAllSent();
        return true;
      }
      const room = Math.min(
        this.#linkCredit - this.#inFlight,
        this.#commandCredit - STREAMS.reduce((sum, s) => sum + outgoing.sent[s] - outgoing.durable[s], 0),
        outgoing.spool.size(stream) - outgoing.sent[stream],
        this.#chunk,
      );
      if (room <= 0) continue;
      const buffer = this.#takeBuffer();
      if (buffer === undefined) return false;
      this.#turn = (this.#turn + i + 1) % waiting.length;
      this.#sendPiece(link, outgoing, stream, room, buffer);
      return true;
    }
    return false;
  }

  #sendPiece(link: OutputLink, outgoing: Outgoing, stream: Stream, room: number, buffer: Buffer): void {
    const { spool } = outgoing;
    const offset = outgoing.sent[stream];
    const header = encodeOutputHeader({
      command_id: spool.commandId,
      stream,
      offset,
      at_ms: Math.round(this.#clock.now()),
    });
    buffer.set(header, 0);
    let count = 0;
    try {
      count = spool.read(stream, offset, buffer.subarray(header.length, header.length + room));
      if (count === 0) throw new Error(`the spool of ${stream} is shorter than it should be`);
    } catch (cause) {
      this.#free.push(buffer);
      this.#outgoing.delete(spool.commandId);
      this.#onReadFailure(spool.commandId, outgoing.durable, cause);
      return;
    }
    outgoing.sent[stream] += count;
    this.#inFlight += count;
    const generation = this.#generation;
    link.send(buffer.subarray(0, header.length + count), () => {
      this.#free.push(buffer);
      if (generation === this.#generation) this.pump();
    });
  }

  #takeBuffer(): Buffer | undefined {
    const buffer = this.#free.pop();
    if (buffer !== undefined) return buffer;
    if (this.#buffers === BUFFERS) return undefined;
    this.#buffers++;
    return Buffer.allocUnsafeSlow(HEADER_ROOM + this.#chunk);
  }
}

const hasRoom = ({ spool, durable }: Outgoing): boolean =>
  STREAMS.reduce((sum, stream) => sum + spool.size(stream) - durable[stream], 0) < PACE_BYTES;
