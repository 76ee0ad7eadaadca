import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Logger } from '../../../base/logger.ts';
import { AUDIT_FEATURE } from '../../../protocol/audit-witness.ts';
import { BACKGROUND_TOOLS } from '../../../protocol/background.ts';
import type { Stream } from '../../../protocol/command.ts';
import { AppError } from '../../../protocol/errors.ts';
import {
  EXECUTOR_PROTOCOL,
  type FromExecutor,
  type StartMessage,
  type ToExecutor,
  toExecutorSchema,
} from '../../../protocol/executor.ts';
import { encodeOutputHeader } from '../../../protocol/output-frame.ts';
import { ORCHESTRATOR_GRANT } from '../../../protocol/policy.ts';
import { TERMINAL_TOOL } from '../../../protocol/terminal.ts';
import { TRUST_FEATURE } from '../../../protocol/trust-update.ts';
import { missingApproval } from '../../policy/approvals.ts';
import { storageFault } from '../../storage-fault.ts';
import { FrameReader, writeJsonFrame, writeOutputFrame } from '../frames.ts';
import { auditDetail, authorize, type Denial } from './authorize.ts';
import type { ExecutorCore } from './core.ts';
import type { Running } from './running.ts';
import { RunningTool } from './running-tool.ts';
import { RunningUnit } from './running-unit.ts';

type Message<T extends ToExecutor['type']> = Extract<ToExecutor, { type: T }>;

export interface SessionOptions {
  socket: Socket;
  core: ExecutorCore;
  log: Logger;
  version: string;
  /** Called when the connection has ended and nothing that must be finished here is left. */
  onIdle(): void;
}

/** One connection of the daemon. */
export class ExecutorSession {
  readonly #options: SessionOptions;
  readonly #running = new Map<string, Running>();
  readonly #reader = new FrameReader();
  #closed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { socket, log } = options;
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of this.#reader.push(chunk)) if (frame.kind === 'json') this.#handle(frame.value);
      } catch (cause) {
        log.error({ err: cause }, 'the daemon cannot be understood');
        socket.destroy();
      }
    });
    socket.on('drain', () => {
      for (const running of this.#running.values()) running.pump();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#end());
    options.core.onOutput = (name) => this.#running.get(name)?.pump();
  }

  /** Ends what is bound to this connection; the rest goes on without it. */
  #end(): void {
    this.#closed = true;
    for (const running of this.#running.values()) {
      if (running.bound) running.stop('agent_stopping');
      if (!(running instanceof RunningTool)) this.#drop(running.id);
    }
    this.#settle();
  }

  #settle(): void {
    if (this.#closed && this.#running.size === 0) this.#options.onIdle();
  }

  /** What cannot be recorded is not done; the connection, with what is bound to it, does not pay for it. */
  #handle(value: unknown): void {
    try {
      this.#receive(value);
    } catch (cause) {
      this.#options.log.error({ err: cause }, 'a message of the daemon could not be dealt with');
      const { type, n } = value as { type?: unknown; n?: unknown };
      if (type === 'audit' && typeof n === 'number') this.#send({ type: 'audit', n, failed: true });
    }
  }

  #receive(value: unknown): void {
    const parsed = toExecutorSchema.safeParse(value);
    if (!parsed.success) {
      this.#options.log.warn('a message of the daemon is not valid');
      return;
    }
    const message = parsed.data;
    switch (message.type) {
      case 'hello':
        this.#send({
          type: 'ready',
          protocol: EXECUTOR_PROTOCOL,
          version: this.#options.version,
          features: [AUDIT_FEATURE, TRUST_FEATURE],
        });
        break;
      case 'start':
        void this.#start(message);
        break;
      case 'attach':
        this.#attach(message);
        break;
      case 'stop':
        this.#running.get(message.id)?.stop(message.cause);
        break;
      case 'signal':
        this.#running.get(message.id)?.signal(message.signal);
        break;
      case 'input':
        this.#input(message);
        break;
      case 'control':
        this.#control(message);
        break;
      case 'ack':
        this.#running.get(message.id)?.acknowledged(message.stream, message.offset);
        break;
      case 'forget':
        if (!this.#running.has(message.id)) this.#options.core.forget(message.id);
        break;
      case 'audit':
        this.#send(this.#options.core.audit(message));
        break;
      case 'trust':
        void this.#options.core.trust(message).then((answer) => this.#send(answer));
        break;
    }
  }

  async #start(message: StartMessage): Promise<void> {
    const { core, log } = this.#options;
    try {
      const verdict = authorize(message, core);
      if (!verdict.ok) return this.#refuse(message.id, verdict.denial);
      const { call } = verdict;
      // A terminal is nobody’s when the connection over which its input comes has gone.
      const bound = call.signed === undefined || message.bound === true || call.tool === TERMINAL_TOOL;
      const plan = core.plan(message, call, bound);
      if (call.signed === undefined) {
        if (this.#running.has(message.id) || core.meta(message.id) !== undefined)
          return this.#refuse(message.id, replayed(message.id));
        core.record('command.taken', {
          id: message.id,
          tool: call.tool,
          grant: call.grant,
          run_as: call.runAs,
        });
      } else if (core.claim(call.signed, plan.meta, call.runAs) === 'replay')
        // The ledger has recorded it.
        return this.#answerRefusal(message.id, replayed(message.id));
      const common = {
        id: message.id,
        core,
        bound,
        signed: call.signed !== undefined,
        handle: message.handle,
        onEnded: (ended: FromExecutor) => this.#ended(ended),
      };
      const running =
        plan.kind === 'unit'
          ? new RunningUnit({ ...common, plan: plan.unit, output: this.#outputOf(message.id) })
          : new RunningTool({ ...common, call });
      this.#running.set(message.id, running);
      await running.begin();
    } catch (cause) {
      log.error({ err: cause, id: message.id }, 'a command could not be taken');
      const {
        core: { places },
      } = this.#options;
      const error = cause instanceof AppError ? cause : storageFault(dirname(places.database), cause);
      this.#answerRefusal(message.id, {
        code: error?.code ?? 'unavailable',
        message:
          error?.message ??
          `The executor could not take it: ${cause instanceof Error ? cause.message : cause}`,
        ...(error?.hint === undefined ? {} : { hint: error.hint }),
        detail: {},
      });
      this.#drop(message.id);
    }
  }

  #attach({ id, offsets }: Message<'attach'>): void {
    const { core } = this.#options;
    const meta = core.meta(id);
    const common = { id, signed: true, core, onEnded: (m: FromExecutor) => this.#ended(m) };
    if (meta === undefined) {
      this.#ended({
        type: 'ended',
        id,
        end: { kind: 'not_started', message: 'The executor never got it.' },
        sizes: { stdout: 0, stderr: 0 },
      });
      return;
    }
    const running =
      meta.kind === 'unit'
        ? new RunningUnit({
            ...common,
            bound: meta.bound,
            handle: meta.handle,
            meta,
            offsets,
            output: this.#outputOf(id),
          })
        : new RunningTool({ ...common, bound: false, handle: undefined, meta });
    this.#running.set(id, running);
    running.attach();
  }

  #input(message: Message<'input'>): void {
    const running = this.#running.get(message.id);
    if (running === undefined) return;
    const { core, log } = this.#options;
    if (!running.signed) {
      running.input(Buffer.from(message.data ?? '', 'base64'), message.eof === true);
      return;
    }
    const denial = this.#signedInput(message, running);
    if (denial === undefined) return;
    log.warn({ id: message.id, code: denial.code }, 'input was refused');
    core.record('input.refused', { id: message.id, code: denial.code, ...denial.detail });
  }

  #control({ id, signed }: Message<'control'>): void {
    const { core, log } = this.#options;
    const admission = this.#running.get(id)?.control(signed);
    if (admission?.kind !== 'refused') return;
    const { code, message } = admission;
    log.warn({ id, code }, `input was refused: ${message}`);
    core.record('input.refused', { id, code });
  }

  /** Input that a genuine, new signature of `send_input` carries for just this command. */
  #signedInput({ signed }: Message<'input'>, running: Running): Denial | undefined {
    const { core } = this.#options;
    const refuse = (code: Denial['code'], message: string): Denial => ({ code, message, detail: {} });
    if (signed === undefined)
      return refuse('signature_invalid', 'Input for a signed command must be signed.');
    const verified = core.verify(signed);
    if (verified.kind === 'rejected') return { ...verified.refusal, detail: {} };
    const { payload } = verified;
    if (verified.kind === 'refused') return { ...verified.refusal, detail: auditDetail(payload) };
    const decision = core.decide(ORCHESTRATOR_GRANT, payload.tool);
    if (!decision.allowed) return { ...refuse('policy_refused', decision.why), detail: auditDetail(payload) };
    const missing = missingApproval(payload, decision.approval);
    if (missing !== undefined)
      return { ...refuse('approval_required', missing), detail: auditDetail(payload) };
    const { id, data, eof } = payload.arguments as { id?: unknown; data?: unknown; eof?: unknown };
    if (
      payload.tool !== BACKGROUND_TOOLS.send ||
      typeof id !== 'string' ||
      id !== running.handle ||
      typeof data !== 'string'
    )
      return {
        ...refuse('wrong_agent', 'The signed input is for another command.'),
        detail: auditDetail(payload),
      };
    const meta = {
      kind: 'tool',
      output_limit: 0,
      timeout_s: 1,
      merged: false,
      bound: true,
      owner: '',
    } as const;
    if (core.claim(payload, meta, '') === 'replay') return undefined;
    running.input(Buffer.from(data), eof === true);
    return undefined;
  }

  #outputOf(id: string) {
    return (stream: Stream, offset: number, bytes: Buffer): boolean =>
      this.#closed ||
      writeOutputFrame(
        this.#options.socket,
        encodeOutputHeader({
          command_id: id,
          stream,
          offset,
          at_ms: Math.round(this.#options.core.clock.now()),
        }),
        bytes,
      );
  }

  #ended(message: FromExecutor): void {
    if (message.type === 'ended') {
      this.#send(message);
      this.#drop(message.id);
    }
    this.#settle();
  }

  #refuse(id: string, denial: Denial): void {
    const { core } = this.#options;
    core.record('command.refused', { ...denial.detail, asked: id, code: denial.code });
    this.#answerRefusal(id, denial);
  }

  #answerRefusal(id: string, { code, message, hint }: Denial): void {
    this.#options.log.warn({ id, code }, 'a command was refused');
    this.#send({ type: 'refused', id, code, message, ...(hint === undefined ? {} : { hint }) });
  }

  #drop(id: string): void {
    this.#running.get(id)?.close();
    this.#running.delete(id);
  }

  #send(message: FromExecutor): void {
    if (!this.#closed) writeJsonFrame(this.#options.socket, message);
  }
}

const replayed = (id: string): Denial => ({
  code: 'command_replayed',
  message: `The executor took ${id}, or its number, before.`,
  detail: {},
});
