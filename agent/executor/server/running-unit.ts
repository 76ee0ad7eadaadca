import { constants, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Timer } from '../../../base/clock.ts';
import type { Stream } from '../../../protocol/command.ts';
import type { ExecutorEnd, SignedCommand } from '../../../protocol/executor.ts';
import { type Admission, InputGate } from '../input-gate.ts';
import type { PlannedUnit } from './core.ts';
import type { TakenMeta } from './ledger.ts';
import { type OutputSource, OutputTail } from './output-tail.ts';
import { PtyTail } from './pty-tail.ts';
import type { Running, RunningOptions } from './running.ts';
import { unitArguments, unitOf, unitScript } from './unit.ts';
import { endLine, parseEnd, readText, stopCause } from './unit-end.ts';

const STREAMS = ['stdout', 'stderr'] as const;
/** A unit whose end is not written in time (its disk was full) is asked after. */
const LOOK_EVERY_MS = 10_000;
const RECORD_AGAIN_MS = 2000;

interface RunningUnitOptions extends RunningOptions {
  output(stream: Stream, offset: number, bytes: Buffer): boolean;
  /** To be started; without it `meta` says what was. */
  plan?: PlannedUnit;
  offsets?: Record<Stream, number>;
}

/** A command in a transient unit: started or found again, its output followed, its end told once. */
export class RunningUnit implements Running {
  readonly id: string;
  readonly bound: boolean;
  readonly signed: boolean;
  readonly handle: string | undefined;
  readonly #options: RunningUnitOptions;
  readonly #meta: TakenMeta;
  readonly #tails: Record<Stream, OutputSource>;
  readonly #terminal: PtyTail | undefined;
  readonly #gate: InputGate;
  #look: Timer | undefined;
  #again: Timer | undefined;
  #input: Socket | undefined;
  #begun = false;
  /** What came before there was somebody to read it. */
  #early: { bytes: Buffer; eof: boolean }[] = [];
  readonly #earlyControl: (() => void)[] = [];
  #end: ExecutorEnd | undefined;
  #told = false;
  #closed = false;
  #limitHit = false;
  #stopAsked = false;

  constructor(options: RunningUnitOptions) {
    const { id, core, offsets, plan } = options;
    this.id = id;
    this.bound = options.bound;
    this.signed = options.signed;
    this.handle = options.handle;
    this.#options = options;
    const meta = options.meta ?? plan?.meta;
    if (meta === undefined) throw new Error('neither planned nor known');
    this.#meta = meta;
    const tail = (stream: Stream) =>
      new OutputTail(join(core.places.output, `${id}.${stream}`), offsets?.[stream] ?? 0);
    const size = plan?.terminal;
    this.#terminal =
      size === undefined ? undefined : new PtyTail({ size, clock: core.clock, onChange: () => this.pump() });
    this.#tails = { stdout: this.#terminal ?? tail('stdout'), stderr: tail('stderr') };
    this.#gate = new InputGate((signed) => core.verifyInput(signed, id));
  }

  async begin(): Promise<void> {
    const { core, plan } = this.#options;
    if (plan === undefined) return;
    if (plan.unit.runAs !== 'root' && !(await core.userExists(plan.unit.runAs)))
      return this.#fail(`There is no user ${plan.unit.runAs} on this VM.`);
    const file = (suffix: string) => join(core.places.run, `${this.id}${suffix}`);
    const secret = { mode: 0o600, flag: 'wx' } as const;
    writeFileSync(file('.script'), unitScript(plan), secret);
    const input = plan.stdin === 'live' ? await this.#makeInput(file('.stdin')) : undefined;
    if (plan.stdin !== undefined && plan.stdin !== 'live') writeFileSync(file('.stdin'), plan.stdin, secret);
    // Open until its end is known: opening a pipe waits for its other end, and what the unit runs last opens it too.
    this.#input = input;
    const { code, stderr } = await core.run('systemd-run', unitArguments(plan.unit, this.#terminal?.path));
    if (code !== 0) {
      // A stop that comes while it starts ends the start as well: that is no failure of it.
      if (this.#stopAsked) return this.attach();
      return this.#fail(`systemd could not start it: ${stderr.trim()}`);
    }
    // It is being executed, so it holds its end: what is written now, and the end of it, cannot be lost.
    this.#begun = true;
    for (const { bytes, eof } of this.#early.splice(0)) this.input(bytes, eof);
    for (const control of this.#earlyControl.splice(0)) control();
    // Asked before there was a unit to stop.
    if (this.#stopAsked) this.#stopUnit();
    this.#watch();
    this.pump();
  }

  /** Goes on with what was started before. */
  attach(): void {
    this.#watch();
    this.pump();
    void this.#ask();
  }

  stop(cause: Parameters<Running['stop']>[0]): void {
    const { core } = this.#options;
    if (this.#end !== undefined) return;
    const path = join(core.places.run, `${this.id}.stop`);
    // The first cause counts.
    if (readText(path) === undefined) writeFileSync(path, cause, { mode: 0o600 });
    this.#stopAsked = true;
    this.#stopUnit();
  }

  #stopUnit(): void {
    void this.#options.core.run('systemctl', ['stop', '--no-block', unitOf(this.id)]);
  }

  signal(name: string): void {
    void this.#options.core.run('systemctl', ['kill', `--signal=${name}`, unitOf(this.id)]);
  }

  input(bytes: Buffer, eof: boolean): void {
    if (this.#input === undefined || !this.#begun) {
      this.#early.push({ bytes, eof });
      return;
    }
    if (bytes.length > 0) this.#input.write(bytes);
    if (eof) this.#input.end();
  }

  control(signed: SignedCommand): Admission {
    const terminal = this.#terminal;
    if (terminal === undefined)
      return { kind: 'refused', code: 'bad_request', message: 'This command has no terminal.' };
    const admission = this.#gate.admit(signed);
    if (admission.kind !== 'ok') return admission;
    const { input, bytes } = admission;
    const act = () => {
      if (input.type === 'resize') terminal.resize(input);
      else if (input.type === 'signal') this.signal(input.signal);
      else terminal.write(bytes);
    };
    if (this.#begun) act();
    else this.#earlyControl.push(act);
    return admission;
  }

  acknowledged(stream: Stream, offset: number): void {
    this.#tails[stream].acknowledged(offset);
    this.pump();
  }

  /** Sends what may be sent; when the unit has ended and all is sent, tells its end. */
  pump(): void {
    if (this.#told || this.#closed) return;
    this.#guardLimit();
    const { core } = this.#options;
    if (this.#end === undefined) {
      const line = endLine(core.places, this.id);
      if (line !== undefined) {
        const stopped = this.#limitHit ? 'output_limit' : stopCause(core.places, this.id);
        this.#end = parseEnd(line, {
          stopped,
          cwd: this.#meta.cwd === true,
          silent: this.#tails.stdout.size() + this.#tails.stderr.size() === 0,
        });
      }
    }
    for (const stream of STREAMS)
      this.#tails[stream].pump((offset, bytes) => this.#options.output(stream, offset, bytes));
    if (this.#end === undefined) return;
    for (const stream of STREAMS) this.#tails[stream].finish();
    if (STREAMS.every((stream) => this.#tails[stream].done())) this.#tell(this.#end);
  }

  close(): void {
    this.#closed = true;
    this.#look?.cancel();
    this.#again?.cancel();
    this.#closeInput();
    for (const stream of STREAMS) this.#tails[stream].close();
  }

  async #makeInput(path: string): Promise<Socket> {
    await this.#options.core.run('mkfifo', ['-m', '600', path]);
    // For reading too, so that it opens at once; the command is the only one who reads.
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const input = new Socket({ fd, readable: false, writable: true });
    input.on('error', () => input.destroy());
    return input;
  }

  #closeInput(): void {
    this.#input?.destroy();
  }

  #guardLimit(): void {
    if (this.#limitHit) return;
    const size = this.#tails.stdout.size() + this.#tails.stderr.size();
    if (size <= this.#meta.output_limit) return;
    this.#limitHit = true;
    const stdout = Math.min(this.#tails.stdout.size(), this.#meta.output_limit);
    this.#tails.stdout.limit = stdout;
    this.#tails.stderr.limit = this.#meta.output_limit - stdout;
    this.stop('output_limit');
  }

  #began(): string | undefined {
    return readText(join(this.#options.core.places.started, this.id))?.trim();
  }

  #watch(): void {
    const { clock } = this.#options.core;
    this.#look = clock.setTimer(
      LOOK_EVERY_MS,
      () => {
        if (this.#closed || this.#told) return;
        void this.#ask();
        this.#watch();
      },
      { background: true },
    );
  }

  /** Whether a unit of which nothing was heard is still there. */
  async #ask(): Promise<void> {
    const { core } = this.#options;
    if (this.#end !== undefined) return;
    const { stdout } = await core.run('systemctl', [
      'show',
      '--property=ActiveState',
      '--value',
      unitOf(this.id),
    ]);
    const state = stdout.trim();
    if (this.#closed || this.#end !== undefined || (state !== 'inactive' && state !== 'failed')) return;
    if (endLine(core.places, this.id) === undefined) {
      const boot = this.#began();
      this.#end =
        boot === undefined
          ? this.#unbegun()
          : { kind: 'lost', reason: boot === core.bootId ? 'agent_lost' : 'host_rebooted' };
    }
    this.pump();
  }

  #unbegun(): ExecutorEnd {
    const cause = this.#stopAsked ? stopCause(this.#options.core.places, this.id) : undefined;
    return cause === undefined
      ? { kind: 'not_started', message: 'Its unit never began.' }
      : { kind: 'stopped', cause };
  }

  #fail(message: string): void {
    this.#end = { kind: 'not_started', message };
    this.pump();
  }

  #tell(end: ExecutorEnd): void {
    const { core } = this.#options;
    const how = {
      ...('exit_code' in end && end.exit_code !== undefined ? { exit_code: end.exit_code } : {}),
      ...('signal' in end && end.signal !== undefined ? { signal: end.signal } : {}),
    };
    try {
      core.record('command.ended', { id: this.id, end: end.kind, ...how });
    } catch {
      // What cannot be recorded is not told: the disk is waited for.
      this.#again ??= core.clock.setTimer(RECORD_AGAIN_MS, () => {
        this.#again = undefined;
        this.pump();
      });
      return;
    }
    this.#told = true;
    for (const suffix of ['.script', '.stdin'])
      rmSync(join(core.places.run, `${this.id}${suffix}`), { force: true });
    const time = (folder: string) => statSync(join(folder, this.id), { throwIfNoEntry: false })?.mtimeMs;
    const started = time(core.places.started);
    const ended = time(core.places.ended);
    const sizes = { stdout: this.#tails.stdout.size(), stderr: this.#tails.stderr.size() };
    const times = {
      ...(started === undefined ? {} : { started_at_ms: started }),
      ...(ended === undefined ? {} : { ended_at_ms: ended }),
    };
    const hash = (stream: Stream) => {
      const sha256 = this.#tails[stream].sha256();
      return sha256 === undefined ? {} : { sha256 };
    };
    const attestation = core.attest({
      command_id: this.id,
      end: end.kind,
      ...how,
      ...times,
      stdout: { size: sizes.stdout, ...hash('stdout') },
      stderr: { size: sizes.stderr, ...hash('stderr') },
    });
    this.#options.onEnded({
      type: 'ended',
      id: this.id,
      end,
      ...times,
      sizes,
      ...(attestation === undefined ? {} : { attestation }),
    });
    // Nobody asks again for what ended with its connection.
    if (this.bound) core.forget(this.id);
  }
}
