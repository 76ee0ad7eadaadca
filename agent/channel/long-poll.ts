import { EventEmitter } from 'node:events';
import type { Clock } from '../../base/clock.ts';
import { fullJitter, type Random, randomHex } from '../../base/random.ts';
import {
  closeFrame,
  decodePollBatch,
  encodePollBatch,
  POLL_HOLD_S,
  type PollBatch,
  type PollFrame,
  readClose,
  takeBatch,
} from '../../protocol/poll.ts';
import { SessionLink } from '../../protocol/session.ts';
import type { FrameSocket, HttpAnswer } from './connection.ts';
import type { PollAnswer, PollClient, PollRequest } from './poll-request.ts';
import { isPassing, pollPause, shorterHold } from './poll-timing.ts';

interface Outgoing extends PollFrame {
  seq: number;
  done: ((error?: Error) => void) | undefined;
}

/** A batch that nobody took by then will not be taken. */
const POST_TIMEOUT_MS = 60_000;
/** An answer may come this much after the longest hold. */
const GET_SLACK_MS = 8000;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 5000;
const GOODBYE_MS = 2000;

/**
 * The agent's end of a link made of polls, with the face of a WebSocket: the connection, its session and the check for
 * silence are the same for both. One POST and one GET are under way at most; a frame is kept until it was taken, so a
 * request that failed is made again and again, until the connection has been silent for too long.
 */
export class LongPollSocket extends EventEmitter implements FrameSocket {
  readonly #client: PollClient;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #interval: () => number;
  readonly #id = randomHex(32);
  readonly #link = new SessionLink<Outgoing>();
  readonly #ended = new AbortController();
  #closing: { code: number; reason: string } | undefined;
  #posting = false;
  #polling = false;
  #holdS = POLL_HOLD_S;

  constructor(options: {
    client: PollClient;
    clock: Clock;
    random: Random;
    /** Seconds between polls that bring nothing. */
    interval(): number;
  }) {
    super();
    this.#client = options.client;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#interval = options.interval;
    setImmediate(() => {
      if (!this.#ended.signal.aborted) this.emit('open');
    });
  }

  send(data: string | Uint8Array, _options?: { binary: boolean }, done?: (error?: Error) => void): void {
    if (this.#ended.signal.aborted) done?.(new Error('the link has ended'));
    else if (typeof data === 'string') this.#push({ kind: 'text', bytes: Buffer.from(data), done });
    else this.#push({ kind: 'binary', bytes: data, done });
  }

  /** Each poll shows that this end lives. */
  ping(): void {}

  close(code: number, reason: string): void {
    if (this.#closing !== undefined || this.#ended.signal.aborted) return;
    this.#closing = { code, reason };
    this.#push({ ...closeFrame(code, reason), done: () => this.#end(code, reason) });
    this.#clock.sleep(GOODBYE_MS, this.#ended.signal).then(
      () => this.#end(code, reason),
      () => undefined,
    );
  }

  terminate(): void {
    this.#end(1006, '');
  }

  #push(frame: Omit<Outgoing, 'seq'>): void {
    this.#link.push(frame);
    if (this.#posting) return;
    this.#posting = true;
    // What is said in one go travels in one request.
    setImmediate(() => void this.#postAll());
  }

  async #postAll(): Promise<void> {
    while (this.#link.unacked.length > 0 && !this.#ended.signal.aborted) {
      const frames = takeBatch(this.#link.unacked);
      const first = frames[0]?.seq ?? 1;
      const body = encodePollBatch({ first, taken: this.#link.recvSeq, frames });
      const until = this.#clock.monotonic() + POST_TIMEOUT_MS;
      const batch = await this.#ask(until, () => ({
        method: 'POST',
        query: { link: this.#id },
        body,
        timeoutMs: until - this.#clock.monotonic(),
      }));
      if (batch === undefined) break;
      this.#acknowledged(batch.taken);
      if (!this.#polling) {
        this.#polling = true;
        void this.#pollOn();
      }
    }
    this.#posting = false;
  }

  async #pollOn(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const begun = this.#clock.monotonic();
      const batch = await this.#ask(Number.POSITIVE_INFINITY, () => ({
        method: 'GET',
        query: { link: this.#id, after: this.#link.recvSeq, hold: this.#holdS },
        timeoutMs: this.#holdS * 1000 + GET_SLACK_MS,
      }));
      if (batch === undefined) return;
      this.#acknowledged(batch.taken);
      this.#take(batch);
      if (batch.frames.length > 0) continue;
      const pause = pollPause(this.#clock.monotonic() - begun, this.#interval());
      if (pause > 0) await this.#sleep(pause);
    }
  }

  /** Asks until there is an answer; undefined when the link has ended meanwhile. */
  async #ask(until: number, next: () => PollRequest): Promise<PollBatch | undefined> {
    for (let failures = 0; !this.#ended.signal.aborted; failures++) {
      if (this.#clock.monotonic() >= until) return this.#fail(new Error('the orchestrator takes no frames'));
      const request = next();
      const begun = this.#clock.monotonic();
      const answer = await this.#client.ask(request).catch((cause: Error) => cause);
      if (this.#ended.signal.aborted) return undefined;
      const batch = answer instanceof Error ? undefined : this.#read(answer);
      if (batch !== undefined) {
        this.emit('pong');
        return batch;
      }
      // What never worked is for the channel to judge; what worked before may be in the middle of a restart.
      const established = this.#polling;
      if (answer instanceof Error && !established) return this.#fail(answer);
      if (!(answer instanceof Error) && !(established && isPassing(answer.status)))
        return this.#refuse(answer);
      if (request.method === 'GET') this.#holdS = shorterHold(this.#holdS, this.#clock.monotonic() - begun);
      const jitter = fullJitter({
        failures,
        baseMs: RETRY_BASE_MS,
        capMs: RETRY_CAP_MS,
        random: this.#random,
      });
      const wish = answer instanceof Error ? 0 : Number(answer.retryAfter ?? 0) * 1000 || 0;
      await this.#sleep(Math.max(jitter, Math.min(wish, RETRY_CAP_MS)));
    }
    return undefined;
  }

  /** Undefined: not what an orchestrator answers when all is well. */
  #read({ status, body }: PollAnswer): PollBatch | undefined {
    if (status !== 200) return undefined;
    const decoded = decodePollBatch(body);
    return decoded.kind === 'ok' ? decoded.batch : undefined;
  }

  #take({ first, frames }: PollBatch): void {
    for (const [index, frame] of frames.entries()) {
      if (this.#ended.signal.aborted) return;
      const order = this.#link.receive(first + index);
      if (order === 'gap') this.#fail(new Error('frames of the orchestrator are missing'));
      else if (order === 'deliver' && frame.kind === 'close') {
        const { code, reason } = readClose(frame);
        this.#end(code, reason);
      } else if (order === 'deliver') {
        const { buffer, byteOffset, length } = frame.bytes;
        this.emit('message', Buffer.from(buffer, byteOffset, length), frame.kind === 'binary');
      }
    }
  }

  #acknowledged(seq: number): void {
    for (const { done } of this.#link.acknowledged(seq)) done?.();
  }

  #refuse({ status, body, retryAfter }: PollAnswer): undefined {
    const answer: HttpAnswer = { status, text: body.toString('utf8'), retryAfter };
    this.emit('refused', answer);
    this.#end(1006, '');
  }

  #fail(error: Error): undefined {
    this.emit('error', error);
    this.#end(1006, '');
  }

  #sleep(ms: number): Promise<void> {
    return this.#clock.sleep(ms, this.#ended.signal).catch(() => undefined);
  }

  #end(code: number, reason: string): void {
    if (this.#ended.signal.aborted) return;
    const error = new Error('the link has ended');
    this.#ended.abort(error);
    this.#client.close();
    for (const { done } of this.#link.reset()) done?.(error);
    this.emit('close', code, Buffer.from(reason));
  }
}
