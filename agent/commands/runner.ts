import { dirname } from 'node:path';
import type { Timer } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import type { CommandPayload, CommandResult, Stream } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import type { CommandMessage } from '../../protocol/messages.ts';
import { ORCHESTRATOR_GRANT } from '../../protocol/policy.ts';
import { OutputSpool } from '../executor/output-spool.ts';
import type { Refusal } from '../policy/verify-envelope.ts';
import { type CallOutcome, startCall } from '../tools/call.ts';
import type { PreparedCall } from '../tools/registry.ts';
import { decide, prepare, signedOf } from './intake.ts';
import type { JournalEntry } from './journal.ts';
import { JournalWriter } from './journal-writer.ts';
import { CommandQueue, waitingOf } from './queue.ts';
import { recoverWhenPossible } from './recovery.ts';
import {
  cancelledBeforeStart,
  endResult,
  refusedResult,
  unwrittenResult,
  withOutputSizes,
} from './results.ts';
import type { RunnerOptions, Running } from './runner-options.ts';
import { ServerTime } from './server-time.ts';

/** Commands that run at once; the rest wait in their order. */
export const MAX_PARALLEL = 32;
const JOURNAL_RETRY_MS = 2000;
const FLUSH_AFTER_MS = 1000;

/** Takes commands, runs them once, and keeps their results until they are acknowledged. */
export class CommandRunner {
  readonly #options: RunnerOptions;
  readonly serverTime: ServerTime;
  readonly #queue: CommandQueue;
  readonly #writer: JournalWriter;
  readonly #running = new Map<string, Running>();
  readonly #spools = new Map<string, OutputSpool>();
  /** Bytes of a command's output that can still be delivered, where the spool could not be read to its end. */
  readonly #deliverable = new Map<string, Record<Stream, number>>();
  #stopping = false;
  #flush: Timer | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#writer = new JournalWriter({ ...options, folder: dirname(options.spoolFolder) });
    this.serverTime = new ServerTime(options.clock);
    this.#queue = new CommandQueue({
      clock: this.serverTime.cautious,
      limit: options.maxParallel ?? MAX_PARALLEL,
      start: (id) => this.#writer.succeeds(() => this.#startAccepted(id)),
    });
  }

  /** Ends what an earlier process left running, and starts what it had accepted. */
  async start(): Promise<void> {
    const { executor, onJournal } = this.#options;
    const found = await recoverWhenPossible({
      ...this.#options,
      kept: executor !== undefined,
      faultOf: (cause) => this.#writer.fault(cause),
      onFault: (message) => onJournal(false, message),
      isStopping: () => this.#stopping,
    });
    if (found === undefined) return;
    onJournal(true, 'writable');
    const { entries, spools } = found;
    for (const spool of spools) this.#track(spool);
    for (const entry of entries) {
      if (entry.state === 'ended') this.#deliver(entry.commandId, entry.result);
      else if (entry.state === 'accepted') this.#queue.wait(waitingOf(entry.payload));
      else this.#resume(entry);
    }
    this.#queue.startWaiting();
  }

  get commandSeq(): number {
    return this.#options.journal.mark.seq;
  }

  /** Every command whose end is not acknowledged, as `hello` names them. */
  inFlight(): {
    id: string;
    state: CommandResult['state'] | 'accepted' | 'running';
    offsets: Record<Stream, number>;
  }[] {
    return this.#options.journal.open().map((entry) => ({
      id: entry.commandId,
      state: entry.state === 'ended' ? entry.result.state : entry.state,
      offsets: this.#offsets(entry.commandId),
    }));
  }

  /** The session began anew: says everything again that the orchestrator has not acknowledged. */
  resend(): void {
    for (const entry of this.#options.journal.open()) this.#answer(entry);
  }

  /**
   * Takes a command or answers it. When this returns, what it says is on disk; when it throws, it must not be
   * acknowledged.
   */
  onCommand(message: CommandMessage): void {
    if (this.#stopping) throw new AppError('unavailable', { detail: 'The agent is stopping.' });
    const { clock, port, log } = this.#options;
    const nowMs = clock.now();
    const decision = decide(message, this.#options, nowMs, this.serverTime.skewMs);
    switch (decision.kind) {
      case 'complain':
        log.warn({ ref: decision.ref, code: decision.refusal.code }, 'a command was rejected');
        port.error(decision.refusal.code, decision.refusal.message, decision.ref);
        break;
      case 'turn_away':
        log.warn(
          { command_id: decision.commandId, code: decision.refusal.code },
          'a command was turned away',
        );
        port.result(decision.commandId, refusedResult(decision.refusal, nowMs));
        break;
      case 'known':
        this.#answer(decision.entry);
        break;
      case 'end':
        this.#takeEnded(decision.payload, decision.result);
        break;
      case 'run':
        this.#take(decision.payload, decision.call, nowMs, signedOf(message));
    }
  }

  onCancel(commandId: string): void {
    const { journal, clock } = this.#options;
    const entry = journal.get(commandId);
    // A disk that cannot be written must not let it run: what is not written down is remembered.
    if (entry === undefined) {
      if (!this.#writer.attempt(() => journal.keepCancel(commandId, clock.now())))
        journal.holdCancel(commandId);
    } else if (entry.state === 'running') this.#running.get(commandId)?.call.stop('cancelled');
    else if (entry.state === 'accepted') {
      if (this.#writer.attempt(() => this.#endUnstarted(commandId, cancelledBeforeStart(clock.now()))))
        this.#queue.leave(commandId);
      else journal.holdCancel(commandId);
    }
  }

  /** The orchestrator has the result and all of the output. */
  onAcknowledged(commandId: string): void {
    const { journal, sender, clock } = this.#options;
    if (this.#running.has(commandId)) return;
    journal.acknowledge(commandId);
    sender.remove(commandId);
    this.#spools.get(commandId)?.remove();
    this.#spools.delete(commandId);
    this.#deliverable.delete(commandId);
    this.#flush ??= clock.setTimer(
      FLUSH_AFTER_MS,
      () => {
        this.#flush = undefined;
        this.#writer.attempt(() => journal.flush());
      },
      { background: true },
    );
  }

  /** The spool of a command cannot be read: what was not sent is lost, and its result must not promise it. */
  onOutputLost(commandId: string, delivered: Record<Stream, number>, cause: unknown): void {
    this.#options.log.error({ err: cause, command_id: commandId }, 'output of a command cannot be read back');
    this.#deliverable.set(commandId, delivered);
    const running = this.#running.get(commandId);
    running?.call.stop('output_failed', cause);
    this.#writer.attempt(() => {
      const entry = this.#options.journal.get(commandId);
      if (entry?.state === 'ended') this.#deliver(commandId, entry.result);
    });
  }

  /**
   * Ends every command that runs: inside the daemon they cannot outlive it. What an executor keeps goes on.
   * They are journaled as `failed` with `agent_lost`, since it is known that and why they did not finish; only a crash leaves `unknown`.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#queue.stop();
    const all = [...this.#running.values()];
    const running = this.#options.executor === undefined ? all : all.filter(({ bound }) => bound);
    for (const entry of all) if (!running.includes(entry)) entry.call.abandon();
    for (const { call } of running) call.stop('agent_stopping');
    await Promise.all(running.map(({ done }) => done));
    this.#flush?.cancel();
  }

  #take(payload: CommandPayload, call: PreparedCall, nowMs: number, signed: SignedCommand): void {
    const { journal, bootId, port } = this.#options;
    const id = payload.command_id;
    const starts = this.#queue.enter(waitingOf(payload));
    try {
      this.#writer.write(() =>
        journal.take(payload, starts ? { as: 'running', bootId } : { as: 'accepted', signed }, nowMs),
      );
    } catch (cause) {
      this.#queue.leave(id);
      this.#declineUnwritten(id, cause, (fault) => unwrittenResult(fault, nowMs));
      return;
    }
    // After the caller has returned, so that `running` carries the acknowledgement of the command with it.
    if (starts) queueMicrotask(() => this.#run(payload, call, signed));
    else port.state(id, 'accepted', isoTime(nowMs));
  }

  #takeEnded(payload: CommandPayload, result: CommandResult): void {
    const { journal, clock, log } = this.#options;
    try {
      this.#writer.write(() => journal.take(payload, { as: 'ended', result }, clock.now()));
    } catch (cause) {
      this.#declineUnwritten(payload.command_id, cause, () => result);
      return;
    }
    log.info({ command_id: payload.command_id, state: result.state, code: result.error?.code }, 'not run');
    this.#deliver(payload.command_id, result);
  }

  /**
   * Answers a command that the disk does not let us write down: it was not begun, and is not here. Should the answer be
   * lost, the orchestrator sends the command again.
   */
  #declineUnwritten(id: string, cause: unknown, resultOf: (fault: AppError) => CommandResult): void {
    const { log, port } = this.#options;
    const fault = this.#writer.fault(cause);
    log.error({ err: cause, command_id: id, code: fault.code }, `a command was not taken: ${fault.message}`);
    port.result(id, resultOf(fault));
  }

  #run(payload: CommandPayload, prepared: PreparedCall, signed: SignedCommand | undefined): void {
    const { clock, log, port, spoolFolder } = this.#options;
    const id = payload.command_id;
    // Both clocks at one moment, after the journal's write: what is told of a command's time is the command's.
    const startedAtMs = clock.now();
    const began = clock.monotonic();
    port.state(id, 'running', isoTime(startedAtMs));
    const spool = new OutputSpool({ folder: spoolFolder, commandId: id, limit: payload.limits.output_bytes });
    this.#track(spool);
    this.#follow({ payload, prepared, signed, spool, timeoutS: payload.limits.timeout_s }, (outcome) => {
      const nowMs = clock.now();
      return endResult({ outcome, spool, startedAtMs, durationMs: clock.monotonic() - began, nowMs });
    });
    log.info(
      { command_id: id, job_id: payload.job_id, tool: payload.tool, by: payload.actor.name },
      'started',
    );
  }

  /** The executor has kept it while the daemon was away: it goes on, or its end is fetched. */
  #resume(entry: Extract<JournalEntry, { state: 'accepted' | 'running' }>): void {
    const { clock, executor, log, spoolFolder } = this.#options;
    const { commandId: id, payload } = entry;
    if (executor === undefined) return;
    const { not_before: _past, ...rest } = payload;
    this.#queue.enter(waitingOf(rest));
    const startedAtMs = entry.startedAtMs ?? clock.now();
    const sizes = this.#offsets(id);
    const spool = new OutputSpool({
      folder: spoolFolder,
      commandId: id,
      limit: payload.limits.output_bytes,
      sizes,
    });
    this.#track(spool);
    let endedAtMs: number | undefined;
    // What is left of it the executor counts, by a clock that nobody sets.
    const timeoutS = payload.limits.timeout_s;
    const prepared: Omit<PreparedCall, 'tool'> = {
      timeoutS,
      run: async (context) => {
        const remote = await executor.attach(context, sizes);
        endedAtMs = remote.endedAtMs;
        return remote.end;
      },
    };
    log.info({ command_id: id, job_id: payload.job_id }, 'found again');
    this.#follow({ payload, prepared, signed: undefined, spool, timeoutS }, (outcome) => {
      const nowMs = endedAtMs ?? clock.now();
      return endResult({ outcome, spool, startedAtMs, durationMs: nowMs - startedAtMs, nowMs });
    });
  }

  #follow(
    run: {
      payload: CommandPayload;
      prepared: Omit<PreparedCall, 'tool'> & Partial<Pick<PreparedCall, 'tool'>>;
      signed: SignedCommand | undefined;
      spool: OutputSpool;
      timeoutS: number;
    },
    toResult: (outcome: CallOutcome) => CommandResult,
  ): void {
    const { clock, log, sender } = this.#options;
    const { payload, prepared, signed, spool, timeoutS } = run;
    const id = payload.command_id;
    const call = startCall({
      id,
      call: prepared,
      timeoutS,
      clock,
      log,
      caller: { door: 'channel', id: payload.actor.id, grant: ORCHESTRATOR_GRANT },
      signed,
      output: (stream, bytes) => {
        const written = spool.write(stream, bytes);
        if (written === 'limit') call.stop('output_limit');
        else if (written !== 'ok') call.stop('output_failed', written.failed);
        sender.pump();
        return prepared.tool?.paced === true ? sender.room(id) : undefined;
      },
    });
    const done = call.outcome
      .then((outcome) => this.#finish(id, toResult(outcome)))
      .catch((cause: unknown) => log.error({ err: cause, command_id: id }, 'a command could not be ended'));
    this.#running.set(id, { call, done, spool, bound: prepared.tool?.paced === true });
  }

  async #finish(id: string, result: CommandResult): Promise<void> {
    const { journal, clock, log } = this.#options;
    // A full disk must not lose a result: it waits here, with its place in the lane, until it can be written.
    while (!this.#writer.attempt(() => journal.end(id, result, clock.now()))) {
      if (this.#stopping) return;
      await clock.sleep(JOURNAL_RETRY_MS);
    }
    this.#running.delete(id);
    this.#options.executor?.forget(id);
    this.#queue.leave(id);
    this.#spools.get(id)?.release();
    this.#deliver(id, result);
    const { state, reason, exit_code, duration_ms } = result;
    log.info({ command_id: id, state, reason, exit_code, duration_ms }, 'ended');
    this.#queue.startWaiting();
  }

  /** Starts a command that waited, or ends it when its time is over. False when the journal cannot be written. */
  #startAccepted(id: string): boolean {
    const { journal, clock, bootId } = this.#options;
    const nowMs = clock.now();
    const entry = journal.get(id);
    if (entry?.state !== 'accepted') {
      this.#queue.leave(id);
      return true;
    }
    const { payload } = entry;
    const end = (refusal: Refusal): boolean => {
      if (!this.#writer.attempt(() => this.#endUnstarted(id, refusedResult(refusal, nowMs)))) return false;
      this.#queue.leave(id);
      return true;
    };
    if (journal.hasCancel(id)) {
      if (!this.#writer.attempt(() => this.#endUnstarted(id, cancelledBeforeStart(nowMs)))) return false;
      this.#queue.leave(id);
      return true;
    }
    if (nowMs > Date.parse(payload.expires_at))
      return end({ state: 'expired', code: 'command_expired', message: 'It waited here until it expired.' });
    const prepared = prepare(payload, this.#options);
    if (prepared.kind === 'refused') return end(prepared.refusal);
    const signed = journal.signed(id);
    if (!this.#writer.attempt(() => journal.start(id, bootId, nowMs))) return false;
    this.#run(payload, prepared.call, signed);
    return true;
  }

  #endUnstarted(id: string, result: CommandResult): void {
    const { journal, clock } = this.#options;
    this.#writer.write(() => journal.end(id, result, clock.now()));
    this.#deliver(id, result);
  }

  #answer(entry: JournalEntry): void {
    const at = isoTime(entry.startedAtMs ?? this.#options.clock.now());
    if (entry.state === 'ended') this.#deliver(entry.commandId, entry.result);
    else this.#options.port.state(entry.commandId, entry.state, at);
  }

  /** Hands the result on when the last byte of its output has been sent. */
  #deliver(id: string, result: CommandResult): void {
    const { sender, port } = this.#options;
    sender.ended(id, () => {
      const available = this.#deliverable.get(id);
      port.result(id, available === undefined ? result : withOutputSizes(result, available));
    });
  }

  #track(spool: OutputSpool): void {
    this.#spools.set(spool.commandId, spool);
    this.#options.sender.add(spool);
  }

  #offsets(id: string): Record<Stream, number> {
    const spool = this.#spools.get(id);
    return { stdout: spool?.size('stdout') ?? 0, stderr: spool?.size('stderr') ?? 0 };
  }
}
