import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Timer } from '../../../base/clock.ts';
import { type ExecutorEnd, executorEndSchema } from '../../../protocol/executor.ts';
import type { Admission } from '../input-gate.ts';
import type { Authorized } from './authorize.ts';
import type { Running, RunningOptions } from './running.ts';
import { readText } from './unit-end.ts';

const LOOK_EVERY_MS = 1000;

interface RunningToolOptions extends RunningOptions {
  /** To be called; without it `meta` says what was. */
  call?: Authorized;
}

/**
 * A tool in a worker of its user. The executor that made the call writes down how it ended, also when its connection
 * has gone meanwhile; another one reads it there.
 */
export class RunningTool implements Running {
  readonly id: string;
  readonly bound: boolean;
  readonly signed: boolean;
  readonly handle: string | undefined;
  readonly #options: RunningToolOptions;
  readonly #abort = new AbortController();
  #look: Timer | undefined;
  #cause: Parameters<Running['stop']>[0] | undefined;
  #told = false;
  #closed = false;

  constructor(options: RunningToolOptions) {
    this.id = options.id;
    this.bound = options.bound;
    this.signed = options.signed;
    this.handle = options.handle;
    this.#options = options;
  }

  async begin(): Promise<void> {
    const { core, call } = this.#options;
    if (call === undefined) return;
    if (call.runAs !== 'root' && !(await core.userExists(call.runAs)))
      return this.#tell({ kind: 'not_started', message: `There is no user ${call.runAs} on this VM.` });
    const { tool, args, access } = call;
    // The caller waits for the end, not for this.
    core.workers
      .call(call.runAs, { id: this.id, tool, args, access }, this.#abort.signal)
      .catch(
        (cause: unknown): ExecutorEnd => ({
          kind: 'thrown',
          code: 'unavailable',
          message: cause instanceof Error ? cause.message : 'The tool could not be started.',
        }),
      )
      .then((end) => {
        const stopped = this.#cause;
        const final: ExecutorEnd =
          stopped !== undefined && end.kind !== 'value' ? { kind: 'stopped', cause: stopped } : end;
        void this.#finish(final);
      });
  }

  attach(): void {
    const { core, meta } = this.#options;
    const text = readText(join(core.places.ended, this.id));
    if (text?.endsWith('\n')) {
      const end = executorEndSchema.safeParse(JSON.parse(text));
      this.#tellLater(end.data ?? { kind: 'lost', reason: 'agent_lost' });
      return;
    }
    void core.run('systemctl', ['is-active', '--quiet', meta?.owner ?? '']).then(({ code }) => {
      if (this.#closed) return;
      // It still works on it, or is gone for good.
      if (code === 0)
        this.#look = core.clock.setTimer(LOOK_EVERY_MS, () => this.attach(), { background: true });
      else this.#tellLater({ kind: 'lost', reason: 'agent_lost' });
    });
  }

  #tellLater(end: ExecutorEnd): void {
    try {
      this.#tell(end);
    } catch {
      const { clock } = this.#options.core;
      this.#look = clock.setTimer(LOOK_EVERY_MS, () => this.#tellLater(end), { background: true });
    }
  }

  stop(cause: Parameters<Running['stop']>[0]): void {
    this.#cause ??= cause;
    this.#abort.abort();
  }

  signal(): void {}
  input(): void {}
  control(): Admission {
    return { kind: 'refused', code: 'bad_request', message: 'A tool has no terminal.' };
  }
  acknowledged(): void {}
  pump(): void {}

  close(): void {
    this.#closed = true;
    this.#look?.cancel();
  }

  /** What cannot be written down is not told: the disk is waited for. */
  async #finish(end: ExecutorEnd): Promise<void> {
    for (let written = !this.signed; ; ) {
      try {
        if (!written) this.#write(end);
        written = true;
        this.#tell(end);
        return;
      } catch {
        await this.#options.core.clock.sleep(LOOK_EVERY_MS);
      }
    }
  }

  #write(end: ExecutorEnd): void {
    writeFileSync(join(this.#options.core.places.ended, this.id), `${JSON.stringify(end)}\n`, {
      mode: 0o600,
    });
  }

  #tell(end: ExecutorEnd): void {
    if (this.#told || this.#closed) return;
    const { core } = this.#options;
    core.record('command.ended', { id: this.id, end: end.kind });
    this.#told = true;
    const attestation = core.attest({
      command_id: this.id,
      end: end.kind,
      stdout: documentOf(end),
      stderr: { size: 0 },
    });
    this.#options.onEnded({
      type: 'ended',
      id: this.id,
      end,
      sizes: { stdout: 0, stderr: 0 },
      ...(attestation === undefined ? {} : { attestation }),
    });
  }
}

/** The value as the channel carries it: one JSON document on stdout. */
function documentOf(end: ExecutorEnd): { size: number; sha256?: string } {
  if (end.kind !== 'value') return { size: 0 };
  const bytes = Buffer.from(`${JSON.stringify(end.structured)}\n`);
  return { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
