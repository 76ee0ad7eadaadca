import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../../base/clock.ts';
import { closeFrame, type PollBatch, type PollFrame, readClose, takeBatch } from '../../protocol/poll.ts';
import { SessionLink } from '../../protocol/session.ts';
import { CLOSE } from '../../protocol/version.ts';
import type { FrameSocket } from './connection.ts';

interface Outgoing extends PollFrame {
  seq: number;
}

/** Bytes that may wait for an agent's next poll. A session keeps its commands itself, so nothing is lost with a link. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** How long a closed link is kept for the poll that is told why (ms). */
const LINGER_MS = 30_000;

/**
 * The orchestrator's end of a link made of polls, with the face of a WebSocket: the hub, its sessions and the check
 * for silence are the same for both. Invariant: a frame of the agent is handed on at most once, and in order.
 */
export class PollSocket extends EventEmitter implements FrameSocket {
  readonly OPEN = 1;
  readyState = 1;
  isPaused = false;
  /** Grows with all that the agent sends, requests without a body included. */
  bytesRead = 0;
  readonly #clock: Clock;
  readonly #onGone: () => void;
  readonly #link = new SessionLink<Outgoing>();
  #waiting = 0;
  #answer: (() => void) | undefined;
  #flushDue = false;
  #linger: Timer | undefined;

  /** `onGone`: nothing of it needs to be kept any more. */
  constructor(options: { clock: Clock; onGone: () => void }) {
    super();
    this.#clock = options.clock;
    this.#onGone = options.onGone;
  }

  /** `done` at once: what waits here is bounded as a whole. */
  send(text: string, done?: () => void): void {
    if (this.readyState === this.OPEN) this.#push({ kind: 'text', bytes: Buffer.from(text) });
    done?.();
  }

  /** Each poll shows that the agent lives. */
  ping(): void {}

  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }

  close(code: number, reason: string): void {
    if (this.readyState !== this.OPEN) return;
    this.readyState = 2;
    this.#push(closeFrame(code, reason));
    this.#linger = this.#clock.setTimer(LINGER_MS, () => this.terminate(), { background: true });
    this.emit('close', code, Buffer.from(reason));
  }

  terminate(): void {
    if (this.readyState === 3) return;
    const wasClosed = this.readyState === 2;
    this.#end();
    if (!wasClosed) this.emit('close', 1006, Buffer.alloc(0));
  }

  /** A request of this link has come, or a piece of its body. */
  heard(bytes = 1): void {
    this.bytesRead += bytes;
  }

  /** Frames of the agent. Returns the number up to which all have been taken. */
  take({ first, taken, frames }: PollBatch): number {
    this.acknowledged(taken);
    for (const [index, frame] of frames.entries()) {
      const order = this.#link.receive(first + index);
      if (order === 'gap') {
        this.close(CLOSE.protocolError, `a frame before number ${first + index} is missing`);
        break;
      }
      if (order === 'deliver') this.#deliver(frame);
    }
    return this.#link.recvSeq;
  }

  acknowledged(upTo: number): void {
    for (const { bytes } of this.#link.acknowledged(upTo)) this.#waiting -= bytes.length;
    if (this.readyState === 2 && this.#link.unacked.length === 0) this.#end();
  }

  /** The next frames after a number, as soon as there are some, or none when `holdMs` is over. The next call ends this one. */
  async next(after: number, holdMs: number, closed: AbortSignal): Promise<PollBatch> {
    this.acknowledged(after);
    this.#answer?.();
    if (this.#link.resume(after).length === 0 && this.readyState !== 3 && !closed.aborted)
      await this.#something(holdMs, closed);
    return { first: after + 1, taken: this.#link.recvSeq, frames: takeBatch(this.#link.resume(after)) };
  }

  #something(holdMs: number, closed: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        closed.removeEventListener('abort', done);
        if (this.#answer === done) this.#answer = undefined;
        resolve();
      };
      const timer = this.#clock.setTimer(holdMs, done, { background: true });
      closed.addEventListener('abort', done, { once: true });
      this.#answer = done;
    });
  }

  #push(frame: PollFrame): void {
    this.#link.push(frame);
    this.#waiting += frame.bytes.length;
    if (this.#waiting > MAX_WAITING_BYTES) this.terminate();
    if (this.#flushDue) return;
    this.#flushDue = true;
    // What is said in one go travels in one answer.
    setImmediate(() => {
      this.#flushDue = false;
      this.#answer?.();
    });
  }

  #deliver(frame: PollFrame): void {
    if (frame.kind !== 'close') {
      const { buffer, byteOffset, length } = frame.bytes;
      this.emit('message', Buffer.from(buffer, byteOffset, length), frame.kind === 'binary');
      return;
    }
    const { code, reason } = readClose(frame);
    const wasOpen = this.readyState === this.OPEN;
    this.#end();
    if (wasOpen) this.emit('close', code, Buffer.from(reason));
  }

  #end(): void {
    this.readyState = 3;
    this.#linger?.cancel();
    this.#link.acknowledged(Number.MAX_SAFE_INTEGER);
    this.#answer?.();
    this.#onGone();
  }
}
