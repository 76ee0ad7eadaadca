import type { SignedCommand } from '../../protocol/executor.ts';

/** Where the input of a running command goes. */
export interface InputSink {
  /** `signed`: what the orchestrator signed, where it came from there. */
  write(bytes: Buffer, eof: boolean, signed: SignedCommand | undefined): void;
  /** Bytes that were written and that the command has not read, as far as that is known. */
  readonly unsent: number;
  close(): void;
}

/** The stdin of a command that stays open. What comes before the command has begun waits for it. */
export class LiveInput {
  #sink: InputSink | undefined;
  #early: { bytes: Buffer; eof: boolean; signed: SignedCommand | undefined }[] = [];
  #open = true;

  /** Input may still be sent. */
  get open(): boolean {
    return this.#open;
  }

  get unsent(): number {
    return this.#sink?.unsent ?? this.#early.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  write(bytes: Buffer, eof: boolean, signed?: SignedCommand): void {
    if (!this.#open) return;
    if (eof) this.#open = false;
    if (this.#sink === undefined) this.#early.push({ bytes, eof, signed });
    else this.#sink.write(bytes, eof, signed);
  }

  /** The command has begun. */
  attach(sink: InputSink): void {
    this.#sink = sink;
    for (const { bytes, eof, signed } of this.#early) sink.write(bytes, eof, signed);
    this.#early = [];
  }

  close(): void {
    this.#open = false;
    this.#early = [];
    this.#sink?.close();
  }
}
