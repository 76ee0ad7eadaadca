import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import type { BackgroundCommandStatus, ReadOutput, ReadOutputArguments } from '../../protocol/background.ts';
import { AppError } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import type { LiveInput } from '../executor/live-input.ts';
import type { OutputSpool } from '../executor/output-spool.ts';
import { boundedPattern } from './bounded-pattern.ts';
import type { CallOutcome, RunningCall } from './call.ts';
import type { ShellProcess } from './shell-host.ts';

const SHOWN_COMMAND = 300;
const MAX_UNSENT = 1024 * 1024;
const PATTERN_WAIT_MS = 30_000;
/** Output is looked through in pieces of this size; a match that is longer than a quarter of it may be missed. */
const WINDOW = 64 * 1024;
/** Output that comes in a flood is looked through this often. */
const LOOK_EVERY_MS = 50;

export interface BackgroundCommandOptions {
  id: string;
  owner: string;
  command: string;
  clock: Clock;
  spool: OutputSpool;
  /** Its stdin; undefined when it has all of its input already. */
  input: LiveInput | undefined;
}

/** A command that runs on while nobody listens. Its output is on disk; whoever reads it says from where. */
export class BackgroundCommand {
  readonly id: string;
  readonly owner: string;
  readonly startedAtMs: number;
  readonly #options: BackgroundCommandOptions;
  readonly #waiting = new Set<() => void>();
  #call: RunningCall | undefined;
  #process: ShellProcess | undefined;
  #outcome: CallOutcome | undefined;
  #endedAtMs: number | undefined;

  constructor(options: BackgroundCommandOptions) {
    this.#options = options;
    this.id = options.id;
    this.owner = options.owner;
    this.startedAtMs = options.clock.now();
  }

  get running(): boolean {
    return this.#outcome === undefined;
  }

  get endedAtMs(): number | undefined {
    return this.#endedAtMs;
  }

  follow(call: RunningCall, onEnd: () => void): void {
    this.#call = call;
    call.outcome.then((outcome) => {
      this.end(outcome);
      onEnd();
    });
  }

  end(outcome: CallOutcome): void {
    this.#outcome = outcome;
    this.#endedAtMs = this.#options.clock.now();
    this.#closeInput();
    this.#options.spool.release();
    this.wake();
  }

  started(process: ShellProcess): void {
    this.#process = process;
  }

  /** There is more output, or its end. */
  wake(): void {
    for (const resume of this.#waiting) resume();
    this.#waiting.clear();
  }

  status(): BackgroundCommandStatus {
    const { command, spool } = this.#options;
    return {
      id: this.id,
      command: command.length > SHOWN_COMMAND ? `${command.slice(0, SHOWN_COMMAND)}…` : command,
      ...this.#end(),
      started: isoTime(this.startedAtMs),
      ...(this.#endedAtMs === undefined ? {} : { ended: isoTime(this.#endedAtMs) }),
      output_bytes: spool.size('stdout'),
    };
  }

  /** Waits as the arguments say, then reads. @throws AppError `bad_request`, or the signal's reason. */
  async read(args: ReadOutputArguments, signal: AbortSignal): Promise<ReadOutput> {
    const { spool, clock } = this.#options;
    const found = args.until_regex === undefined ? undefined : this.#finder(args.until_regex);
    const size = spool.size('stdout');
    const offset = args.offset < 0 ? Math.max(0, size + args.offset) : Math.min(args.offset, size);
    const until = clock.monotonic() + (args.wait_ms ?? (found === undefined ? 0 : PATTERN_WAIT_MS));
    let matched = false;
    for (;;) {
      // Before looking: what comes while it looks is not overseen.
      const ended = !this.running;
      matched = found?.(offset) ?? false;
      const enough = found === undefined ? spool.size('stdout') > offset : matched;
      const leftMs = until - clock.monotonic();
      if (enough || ended || leftMs <= 0) break;
      await this.#change(leftMs, signal);
      if (found !== undefined && this.running)
        await clock.sleep(Math.min(LOOK_EVERY_MS, Math.max(0, until - clock.monotonic())), signal);
    }
    return { ...this.#piece(offset, args.limit), ...(found === undefined ? {} : { matched }) };
  }

  /** `signed`: the call that brought it, for who must check it again. @returns bytes taken. @throws AppError when it reads no input (any more). */
  send(data: string, eof: boolean, signed?: SignedCommand): number {
    const { input } = this.#options;
    if (!input?.open || !this.running)
      throw new AppError('conflict', {
        detail: this.running ? 'The stdin of this command is closed.' : 'This command has ended.',
        hint: 'Start it again; a command that was started with `stdin` has all of its input already.',
      });
    const bytes = Buffer.from(data);
    if (input.unsent + bytes.length > MAX_UNSENT)
      throw new AppError('unavailable', {
        detail: `The command has not read ${input.unsent} bytes that were sent before.`,
        hint: 'Read its output, and send more when it has gone on.',
      });
    input.write(bytes, eof, signed);
    return bytes.length;
  }

  /** Ends it and its whole tree, SIGKILL after a grace. Resolves when it has ended. */
  async stop(cause: 'cancelled' | 'agent_stopping'): Promise<void> {
    this.#call?.stop(cause);
    await this.#call?.outcome;
  }

  /** Sends a signal to everything that it started; after SIGKILL nothing is left. */
  async signal(name: NodeJS.Signals): Promise<void> {
    if (this.#process === undefined || !this.running)
      throw new AppError('conflict', { detail: 'This command does not run.' });
    await this.#process.signal(name);
    if (name === 'SIGKILL') await this.#call?.outcome;
  }

  /** Frees what it holds on disk. */
  remove(): void {
    this.#closeInput();
    this.#options.spool.remove();
  }

  #closeInput(): void {
    this.#options.input?.close();
  }

  #end(): Pick<BackgroundCommandStatus, 'state' | 'exit_code' | 'signal' | 'error'> {
    const outcome = this.#outcome;
    if (outcome === undefined) return { state: 'running' };
    const { state, exit_code, signal, error } = outcome;
    const known = state === 'succeeded' || state === 'timed_out' || state === 'cancelled';
    return {
      state: known ? state : 'failed',
      ...(exit_code === undefined ? {} : { exit_code }),
      ...(signal === undefined ? {} : { signal }),
      ...(error === undefined ? {} : { error: error.message }),
    };
  }

  #piece(offset: number, limit: number): ReadOutput {
    const { spool } = this.#options;
    const size = spool.size('stdout');
    const bytes = Buffer.alloc(Math.min(limit, size - offset));
    const got = bytes.subarray(0, spool.read('stdout', offset, bytes));
    if (!this.running) spool.release();
    // A character that is only partly there stays for the next read, unless nothing else is there.
    const whole = offset + got.length < size || this.running ? wholeCharacters(got) : got;
    const taken = whole.length === 0 ? got : whole;
    return {
      id: this.id,
      ...this.#end(),
      offset,
      next_offset: offset + taken.length,
      size,
      text: taken.toString('utf8'),
    };
  }

  /** Looks for the pattern in what came since the last look, with an overlap. */
  #finder(source: string): (offset: number) => boolean {
    const { spool } = this.#options;
    const test = boundedPattern(source);
    let from = 0;
    return (offset) => {
      from = Math.max(from, offset);
      for (;;) {
        const size = spool.size('stdout');
        const bytes = Buffer.alloc(Math.min(WINDOW, size - from));
        const count = spool.read('stdout', from, bytes);
        if (test(bytes.toString('utf8', 0, count))) return true;
        if (from + count >= size) {
          from = Math.max(from, size - WINDOW / 4);
          return false;
        }
        from += count - WINDOW / 4;
      }
    };
  }

  async #change(ms: number, signal: AbortSignal): Promise<void> {
    const patience = new AbortController();
    const either = AbortSignal.any([patience.signal, signal]);
    const resume = () => patience.abort();
    this.#waiting.add(resume);
    await this.#options.clock.sleep(ms, either).catch(() => undefined);
    this.#waiting.delete(resume);
    signal.throwIfAborted();
  }
}

/** Without the beginning of a UTF-8 character at the end. */
export function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte < 0xc0) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needs > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
